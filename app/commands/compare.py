"""`python -m app syntax --compare A B`: compares the syntax scores of several models."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.commands.syntax import ACCURACY, OPTION, OUTCOMES, SCORES, draw
from app.common.arguments import Parser
from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.tables import print_table
from app.plotting.bars import COLOURS
from app.runs.output_directory import check_output, claim_output
from app.syntax.condition_scores import ConditionScore, pool
from app.syntax.mcnemar import McNemar, mcnemar
from app.syntax.score_files import read_csv, read_outcomes
from app.syntax.table import comparison_table, mcnemar_table

COMPARISON = "comparison.csv"
COLUMNS = ("first", "second", "row", "term", "items", "only_first_right", "only_second_right", "p")


def main(argv: Sequence[str]) -> None:
    """Print a table of the accuracies of several models, and McNemar's tests; draw the accuracies as bars.

    Args:
        argv: the command line after `syntax`.

    Raises:
        UserError: a wrong command line, a file without scores, or models scored on different sentences.
    """
    parser = Parser(
        prog="python -m app syntax --compare",
        usage="python -m app syntax --compare SCORES SCORES ... [--output DIR]",
        description=__doc__,
    )
    parser.add_argument(
        "--compare",
        nargs="+",
        type=Path,
        required=True,
        metavar="SCORES",
        help=f"output of the syntax command, one for each model: {SCORES}, or its folder",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="directory for the bar chart and the tests as CSV; optional"
    )
    options = parser.parse_args(argv)
    paths = [path / SCORES if path.is_dir() else path for path in options.compare]
    if not 2 <= len(paths) <= len(COLOURS):
        raise UserError(f"--compare takes 2 to {len(COLOURS)} files of scores; {len(paths)} given")
    if options.output is not None:
        check_output(options.output, [COMPARISON], OPTION)
    scores = _read(paths)
    models = {name: pool(each) for name, each in scores.items()}
    print_table(comparison_table(models))
    tests = _tests(paths, scores)
    for (first, second), rows in tests.items():
        print()
        print_table(mcnemar_table(first, second, rows))
    if options.output is not None:
        draw(models, options.output / ACCURACY)
        if tests:
            claim_output(options.output, [COMPARISON], OPTION)
            write_atomically(options.output / COMPARISON, _csv(tests))
            print(f"McNemar's tests are in {options.output / COMPARISON}")


def _tests(
    paths: Sequence[Path], scores: Mapping[str, Sequence[ConditionScore]]
) -> dict[tuple[str, str], list[McNemar]]:
    """McNemar's tests of the first model against each of the others; none where which items are right is not known."""
    files = [path.with_name(OUTCOMES) for path in paths]
    if missing := [file for file in files if not file.exists()]:
        print(f"no McNemar's test: there is no {missing[0]}; run syntax again to write it")
        return {}
    (name, first), *others = (
        (name, read_outcomes(file, each)) for file, (name, each) in zip(files, scores.items(), strict=True)
    )
    return {(name, other): mcnemar(first, theirs) for other, theirs in others}


def _csv(tests: Mapping[tuple[str, str], Sequence[McNemar]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for names, rows in tests.items():
        writer.writerows([*names, row.name, row.term, row.items, row.first, row.second, row.p] for row in rows)
    return text.getvalue()


def _read(paths: Sequence[Path]) -> dict[str, list[ConditionScore]]:
    """The scores of each model, by the model's name, or by the file's path if two models have the same name."""
    read = [(path, *read_csv(path)) for path in paths]
    distinct = len({name for _, name, _ in read}) == len(read)
    if len(set(paths)) < len(paths):
        raise UserError("--compare names the same file twice; use one for each model")
    return {name if distinct else str(path): scores for path, name, scores in read}
