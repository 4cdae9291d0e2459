"""`python -m app syntax --compare A B`: compares the syntax scores of several models."""

from collections.abc import Sequence
from pathlib import Path

from app.commands.syntax import ACCURACY, SCORES, draw, print_table
from app.common.arguments import Parser
from app.common.errors import UserError
from app.plotting.bars import COLOURS
from app.syntax.condition_scores import SyntaxRow, pool
from app.syntax.score_files import read_csv
from app.syntax.table import comparison_table


def main(argv: Sequence[str]) -> None:
    """Print a table of the accuracies of several models, and draw them as bars.

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
    parser.add_argument("--output", type=Path, metavar="DIR", help="directory for the bar chart; optional")
    options = parser.parse_args(argv)
    paths = [path / SCORES if path.is_dir() else path for path in options.compare]
    if not 2 <= len(paths) <= len(COLOURS):
        raise UserError(f"--compare takes 2 to {len(COLOURS)} files of scores; {len(paths)} given")
    models = _read(paths)
    print_table(comparison_table(models))
    if options.output is not None:
        draw(models, options.output / ACCURACY)


def _read(paths: Sequence[Path]) -> dict[str, list[SyntaxRow]]:
    """The rows of each model, by the model's name, or by the file's path if two models have the same name."""
    read = [(path, *read_csv(path)) for path in paths]
    distinct = len({name for _, name, _ in read}) == len(read)
    if len(set(paths)) < len(paths):
        raise UserError("--compare names the same file twice; use one for each model")
    return {name if distinct else str(path): pool(scores) for path, name, scores in read}
