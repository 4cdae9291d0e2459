"""`python -m app parse --score PREDICTED GOLD`: scores the trees of one file against those of another."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from rich.console import Console

from app.commands.paired_trees import Pairing, Pairs, pair
from app.commands.score_tables import (
    COMPARISON_CSV,
    FILES,
    breakdown_tables,
    comparison_table,
    measures_table,
    score_files,
)
from app.commands.tree_file import TreeFile, read_file, read_gold
from app.common.arguments import Parser
from app.common.errors import UserError
from app.common.files import make_directory, write_atomically
from app.parsing.bootstrap import SAMPLES, paired_bootstrap
from app.parsing.matching import BY_WORDS, ORDER, difference
from app.parsing.sentence_tables import SOURCE, source_json
from app.parsing.tag_sets import NAMES
from app.parsing.tree_formats import FORMATS
from app.parsing.trees import GoldSentence
from app.runs.output_directory import check_output, claim_output

OPTION = "--output"


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line asks for: see its help."""

    predicted: Path
    gold: Path
    compare: Path | None
    forms: tuple[str | None, str | None]
    pairing: Pairing
    tags: str | None
    split: str | None
    samples: int
    seed: int
    output: Path | None


def main(argv: Sequence[str]) -> None:
    """Score one tree file against another, and print every measure, and recall by label and length.

    Args:
        argv: the command line after `parse`.

    Raises:
        UserError: a wrong command line, a file without trees, or files with different sentences.
    """
    given = _given(argv)
    if given.output is not None:
        check_output(given.output, [*FILES, *([COMPARISON_CSV] if given.compare is not None else [])], OPTION)
    gold = read_gold(given.gold, given.forms[1], given.tags, given.split)
    predicted = read_file(given.predicted, given.forms[0])
    pairs = _paired(predicted, gold, given.pairing)
    if given.compare is None:
        _show(given, [predicted, gold], pairs)
        return
    second = read_file(given.compare, given.forms[0])
    ours, theirs = _shared(pairs, _paired(second, gold, given.pairing))
    _show(given, [predicted, second, gold], ours, theirs)


def _paired(predicted: TreeFile, gold: TreeFile, how: Pairing) -> Pairs:
    """The trees of two files for the same sentences; where they do not fit, their labels may have been taken for words.

    Raises:
        UserError: as `pair`.
    """
    try:
        return pair(predicted, gold, how)
    except UserError as error:
        doubts = [file.notice for file in (predicted, gold) if file.notice and not file.source]
        raise UserError("; ".join((str(error), *doubts))) from None


def _given(argv: Sequence[str]) -> Given:
    parser = Parser(
        prog="python -m app parse --score",
        usage="python -m app parse --score PREDICTED GOLD [--compare PREDICTED] ...",
        description=__doc__,
    )
    parser.add_argument(
        "--score",
        nargs=2,
        type=Path,
        required=True,
        metavar=("PREDICTED", "GOLD"),
        help="two files of trees over the same sentences, in any of the formats: brackets such as ((the cat) sat), "
        "labelled trees, nested lists, JSON lines, transitions, spans; or as gold trees a treebank's folder",
    )
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="PREDICTED",
        help="another prediction for the same gold trees; the difference is tested by a paired bootstrap",
    )
    parser.add_argument("--score_format", choices=list(FORMATS), help="of the predicted trees; by content if left out")
    parser.add_argument("--gold_format", choices=list(FORMATS), help="of the gold trees; by content if left out")
    parser.add_argument(
        "--match",
        choices=[*BY_WORDS, ORDER],
        default="words",
        help="how sentences are matched: by their words; by these whatever their case and numbers (lower); by order",
    )
    parser.add_argument("--in_common", action="store_true", help="score the sentences that both files have")
    parser.add_argument("--words_only", action="store_true", help="leave out what the gold trees tag as punctuation")
    parser.add_argument(
        "--tags",
        help=f"tag set of the gold trees: {', '.join(NAMES)}, or a YAML file with lists punctuation and empty; by "
        "content if left out",
    )
    parser.add_argument("--split", help="of a treebank; its test section, or all of it, if left out")
    parser.add_argument("--samples", type=int, default=SAMPLES, help=f"of the bootstrap; {SAMPLES:,} by default")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap; 0 by default")
    parser.add_argument("--output", type=Path, metavar="DIR", help="directory for the tables as CSV; optional")
    options = parser.parse_args(argv)
    if options.seed < 0:
        raise UserError(f"--seed is {options.seed}; it must be 0 or more")
    predicted, gold = options.score
    if options.compare == predicted:
        raise UserError(f"--score and --compare both name {predicted}; name two predictions")
    pairing = Pairing(match=options.match, in_common=options.in_common, words_only=options.words_only)
    forms = options.score_format, options.gold_format
    return Given(
        predicted,
        gold,
        options.compare,
        forms,
        pairing,
        options.tags,
        options.split,
        options.samples,
        options.seed,
        options.output,
    )


def _shared(first: Pairs, second: Pairs) -> tuple[Pairs, Pairs]:
    """Both predictions for the sentences that both have."""
    both = set(first.numbers) & set(second.numbers)
    if not both:
        raise UserError("the two predictions have no sentence in common; compare predictions of the same sentences")
    notes = list(dict.fromkeys((*first.notes, *second.notes)))
    if len(both) < max(len(first.numbers), len(second.numbers)):
        notes.append(f"{len(both):,} sentences are in both predictions, and are compared")
    return first.only(both, notes), second.only(both, notes)


def _show(given: Given, files: Sequence[TreeFile], pairs: Pairs, second: Pairs | None = None) -> None:
    """Print the tables, and write them where that is asked for."""
    for file in files:
        print(f"{file.path}: {len(file.trees):,} trees, {file.form}")
    for note in pairs.notes:
        print(note)
    gold = pairs.sentences()
    predictions = [given.predicted, *([given.compare] if given.compare is not None else [])]
    names = [path.name for path in predictions] if len({path.name for path in predictions}) > 1 else None
    named = dict(zip(names or map(str, predictions), [pairs, *([second] if second is not None else [])], strict=True))
    trees = {name: [tree.tree for tree in each.predicted] for name, each in named.items()}
    console = Console(highlight=False, markup=False, emoji=False)
    differences = None
    if second is not None:
        first, other = trees.values()
        differences = paired_bootstrap(first, other, gold, samples=given.samples, seed=given.seed)
    contents = score_files(named, trees, gold, differences) if given.output is not None else {}
    if given.output is not None:
        source = files[-1].source
        contents |= {SOURCE: source_json(source)} if source else {}
        check_output(given.output, contents, OPTION)
    for name, each in named.items():
        console.print(measures_table(each, gold, title=name if len(named) > 1 else None))
    for table in breakdown_tables(trees, gold):
        print()
        console.print(table)
    if differences is not None:
        print()
        console.print(comparison_table(list(named), differences, sentences=len(gold), samples=given.samples))
    if given.output is not None:
        make_directory(given.output)
        claim_output(given.output, contents, OPTION)
        for name, content in contents.items():
            write_atomically(given.output / name, content)
        print(f"tables are in {given.output}")


def check_same(
    predicted: Sequence[GoldSentence], gold: Sequence[GoldSentence], predicted_path: Path, gold_path: Path
) -> None:
    """Check that two files have the same sentences in the same order.

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
                f"{difference(ours.words, theirs.words)}; use files with the same sentences"
            )
