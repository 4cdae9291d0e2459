"""`python -m app parse --score A.txt B.txt`: scores the trees of one file against those of another."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from app.common.arguments import Parser
from app.common.errors import UserError
from app.parsing.scores import SHORT, Scores, score
from app.parsing.table import number, percent
from app.parsing.tree_files import read_trees
from app.parsing.trees import GoldSentence

# The measures, and the convention of each.
MEASURES = {
    "sentence_f1": "authors' script",
    "sentence_f1_kim": "no one-word sentences",
    "corpus_f1": "pooled brackets",
    "corpus_f1_root": "whole sentences too",
}


def main(argv: Sequence[str]) -> None:
    """Score one tree file against another, and print every measure for all sentences and for short ones.

    Args:
        argv: the command line after `parse`.

    Raises:
        UserError: a wrong command line, a file without trees, or files with different sentences.
    """
    parser = Parser(
        prog="python -m app parse --score", usage="python -m app parse --score PREDICTED GOLD", description=__doc__
    )
    parser.add_argument(
        "--score",
        nargs=2,
        type=Path,
        required=True,
        metavar=("PREDICTED", "GOLD"),
        help="two files of trees over the same sentences, one per line: ((the cat) sat), or with labels: "
        "(S (NP (DT the) (NN cat)) (VBD sat))",
    )
    predicted_path, gold_path = parser.parse_args(argv).score
    predicted, gold = read_trees(predicted_path), read_trees(gold_path)
    check_same(predicted, gold, predicted_path, gold_path)
    for path, sentences in ((predicted_path, predicted), (gold_path, gold)):
        if any(sentence.constituents for sentence in sentences):
            print(f"{path}: labels are not words; every other word counts, punctuation too")
    trees = [sentence.tree for sentence in predicted]
    table = _table(score(trees, gold), score(trees, gold, max_words=SHORT))
    Console(highlight=False, markup=False, emoji=False).print(table)


def _table(everything: Scores, short: Scores) -> Table:
    """One line per measure; one column for all sentences, one for short ones."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("F1 in %, depth in brackets", no_wrap=True)
    for heading in ("all", f"at most {SHORT} words"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, meaning in MEASURES.items():
        table.add_row(f"{name} ({meaning})", *(percent(getattr(scores, name)) for scores in (everything, short)))
    table.add_row("depth (of predicted trees)", *(number(scores.depth) for scores in (everything, short)))
    table.add_row("sentences", *(f"{scores.sentences:,}" for scores in (everything, short)))
    return table


def check_same(
    predicted: Sequence[GoldSentence], gold: Sequence[GoldSentence], predicted_path: Path, gold_path: Path
) -> None:
    """Check that two files have the same sentences.

    Raises:
        UserError: they have not; names the first line that differs.
    """
    for line, (ours, theirs) in enumerate(zip_longest(predicted, gold), start=1):
        if ours is None or theirs is None:
            short, long = (predicted_path, gold_path) if ours is None else (gold_path, predicted_path)
            raise UserError(f"{short}: ends before line {line}, which {long} has; use files with the same sentences")
        if ours.words != theirs.words:
            raise UserError(
                f"{predicted_path}, line {line}: not the sentence in line {line} of {gold_path}: "
                f"{_difference(ours.words, theirs.words)}; use files with the same sentences"
            )


def _difference(ours: Sequence[str], theirs: Sequence[str]) -> str:
    for place, (mine, other) in enumerate(zip(ours, theirs, strict=False), start=1):
        if mine != other:
            return f"word {place} is {mine!r} here and {other!r} there"
    return f"it has {len(ours)} words here and {len(theirs)} there"
