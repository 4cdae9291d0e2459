"""Tables of `parse --score` for the terminal and as CSV."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from app.commands.paired_trees import Pairs
from app.parsing.bootstrap import PairedDifference
from app.parsing.breakdown import by_label, by_length, by_sentence_length
from app.parsing.evalb import Evalb, evalb
from app.parsing.gold import category
from app.parsing.scores import SHORT, score, sentence_f1
from app.parsing.table import number, parse_row, percent, to_csv
from app.parsing.tree_formats.any_tree import AnyTree
from app.parsing.trees import GoldSentence, Tree

# The measures, and the convention of each.
MEASURES = {
    "sentence_f1": "authors' script",
    "sentence_f1_kim": "no one-word sentences",
    "corpus_f1": "pooled brackets",
    "corpus_f1_root": "whole sentences too",
}
LABELS = 12  # most labels in the terminal
SCORES, LABELS_CSV, LENGTHS_CSV = "scores.csv", "labels.csv", "lengths.csv"
EVALB_CSV, SENTENCES_CSV, COMPARISON_CSV = "evalb.csv", "sentences.csv", "comparison.csv"
FILES = (SCORES, LABELS_CSV, LENGTHS_CSV, EVALB_CSV, SENTENCES_CSV)
EVALB_COLUMNS = ("sentences", "matched", "predicted", "gold", "complete", "crossing", "without_crossing")
DIFFERENCE_COLUMNS = ("first", "second", "difference", "low", "high", "p")


def measures_table(pairs: Pairs, gold: Sequence[GoldSentence], *, title: str | None) -> Table:
    """One line per measure; one column for all sentences, one for short ones."""
    trees = [tree.tree for tree in pairs.predicted]
    both = score(trees, gold), score(trees, gold, max_words=SHORT)
    table = _table("F1 in %, depth in brackets", ["all", f"at most {SHORT} words"], title)
    for name, meaning in MEASURES.items():
        table.add_row(f"{name} ({meaning})", *(percent(getattr(scores, name)) for scores in both))
    for name, labelled in _evalb_rows(pairs).items():
        everything = _evalb(pairs, labelled=labelled, longest=None)
        table.add_row(name, *(_f1(each) for each in (everything, _evalb(pairs, labelled=labelled, longest=SHORT))))
    table.add_row("depth (of predicted trees)", *(number(scores.depth) for scores in both))
    table.add_row("sentences", *(f"{scores.sentences:,}" for scores in both))
    return table


def breakdown_tables(trees: Mapping[str, Sequence[Tree]], gold: Sequence[GoldSentence]) -> list[Table]:
    """Recall by label, by length of the constituents, and F1 by length of the sentences, a column a prediction."""
    names = list(trees) if len(trees) > 1 else ["%"]
    tables = []
    labels = [by_label(each, gold) for each in trees.values()]
    if labels[0]:
        shown = list(labels[0])[:LABELS]
        more = len(labels[0]) - len(shown)
        table = _table("recall by label" + (f" ({more} rarer ones left out)" if more else ""), ["constituents", *names])
        for label in shown:
            table.add_row(label, f"{labels[0][label].total:,}", *(percent(each[label].recall) for each in labels))
        tables.append(table)
    lengths = [by_length(each, gold) for each in trees.values()]
    if lengths[0]:
        table = _table("recall by length, words", ["constituents", *names])
        for group, share in lengths[0].items():
            table.add_row(group, f"{share.total:,}", *(percent(each[group].recall) for each in lengths))
        tables.append(table)
    sentences = [by_sentence_length(each, gold) for each in trees.values()]
    table = _table("sentence_f1 by length, words", ["sentences", *names])
    for group, of_length in sentences[0].items():
        table.add_row(group, f"{of_length.sentences:,}", *(percent(each[group].sentence_f1) for each in sentences))
    return [*tables, table]


def comparison_table(
    names: Sequence[str], differences: Mapping[str, PairedDifference], *, sentences: int, samples: int
) -> Table:
    """The measures of two predictions, and their differences in points of a hundred."""
    title = f"{names[0]} minus {names[1]}, paired bootstrap, {samples:,} samples of {sentences:,} sentences"
    table = _table("F1 in %", ["first", "second", "difference", "95 % interval", "p"], title)
    for name, found in differences.items():
        between = f"{100 * found.low:+.1f} to {100 * found.high:+.1f}"
        cells = percent(found.first), percent(found.second), f"{100 * found.difference:+.1f}", between
        table.add_row(name, *cells, f"{found.p:.4f}")
    return table


def score_files(
    named: Mapping[str, Pairs],
    trees: Mapping[str, Sequence[Tree]],
    gold: Sequence[GoldSentence],
    differences: Mapping[str, PairedDifference] | None,
) -> dict[str, str]:
    """The tables in full precision, as fractions of 1, by the name of the file."""
    files = {
        SCORES: to_csv(parse_row(name, each, gold) for name, each in trees.items()),
        EVALB_CSV: _csv(
            ("name", "labelled", *EVALB_COLUMNS, "recall", "precision", "f1"),
            (
                [name, int(labelled), *(getattr(found, column) for column in EVALB_COLUMNS), *_rates(found)]
                for name, pairs in named.items()
                for labelled in _evalb_rows(pairs).values()
                for found in [_evalb(pairs, labelled=labelled, longest=None)]
            ),
        ),
        LABELS_CSV: _csv(
            ("name", "label", "constituents", "found", "recall"),
            (
                (name, label, share.total, share.found, share.recall)
                for name, each in trees.items()
                for label, share in by_label(each, gold).items()
            ),
        ),
        LENGTHS_CSV: _csv(
            ("name", "of", "length", "number", "value"),
            (
                *(
                    (name, "constituents", group, share.total, share.recall)
                    for name, each in trees.items()
                    for group, share in by_length(each, gold).items()
                ),
                *(
                    (name, "sentences", group, found.sentences, found.sentence_f1)
                    for name, each in trees.items()
                    for group, found in by_sentence_length(each, gold).items()
                ),
            ),
        ),
        SENTENCES_CSV: _csv(
            ("line", "words", *trees),
            (
                (
                    _line(named, at),
                    len(sentence.words),
                    *(sentence_f1(each[at], sentence.tree) for each in trees.values()),
                )
                for at, sentence in enumerate(gold)
            ),
        ),
    }
    if differences is not None:
        rows = ((name, *(getattr(found, each) for each in DIFFERENCE_COLUMNS)) for name, found in differences.items())
        files[COMPARISON_CSV] = _csv(("measure", *DIFFERENCE_COLUMNS), rows)
    return files


def _line(named: Mapping[str, Pairs], at: int) -> int:
    """The line of a sentence in the gold file."""
    return next(iter(named.values())).gold[at].line


def _evalb_rows(pairs: Pairs) -> dict[str, bool]:
    """Which numbers of evalb's make sense: with labels only where some are the same."""
    rows = {"evalb (brackets alone)": False}
    labels = [{category(label) for tree in trees for label, _, _ in tree.phrases} for trees in pairs.whole]
    if labels[0] & labels[1] and all(tree.tags for trees in pairs.whole for tree in trees):
        rows["evalb (labels too)"] = True
    return rows


def _evalb(pairs: Pairs, *, labelled: bool, longest: int | None) -> Evalb:
    chosen: list[tuple[AnyTree, AnyTree]] = [
        (ours, theirs) for ours, theirs in zip(*pairs.whole, strict=True) if longest is None or theirs.length <= longest
    ]
    return evalb([ours for ours, _ in chosen], [theirs for _, theirs in chosen], labelled=labelled)


def _f1(found: Evalb) -> str:
    return percent(found.f1) if found.predicted and found.gold else "\N{EN DASH}"


def _rates(found: Evalb) -> tuple[float, float, float]:
    return found.recall, found.precision, found.f1


def _table(first: str, headings: Sequence[str], title: str | None = None) -> Table:
    # Without min_width, rich would wrap a title that is wider than the rows.
    table = Table(
        title=title, title_justify="left", min_width=len(title or ""), box=SIMPLE_HEAD, show_edge=False, pad_edge=False
    )
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
