"""`python -m app syntax --compare A B`: the written scores of several models side by side."""

from collections.abc import Sequence
from pathlib import Path

from app.commands.syntax import SCORES, draw, print_table
from app.common.arguments import Parser
from app.common.errors import UserError
from app.plotting.bars import COLOURS
from app.syntax.judgements import Row, pool
from app.syntax.scores import read_csv
from app.syntax.table import comparison_table


def main(argv: Sequence[str]) -> None:
    """Print the rows of several models beside each other, and draw them.

    Args:
        argv: what stands after `syntax` on the command line.

    Raises:
        UserError: a wrong command line, a file that holds no scores, or models scored on different sentences.
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
        help=f"what syntax has written, one of each model: {SCORES}, or the folder that holds it",
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to draw the bars; none where left out")
    options = parser.parse_args(argv)
    paths = [path / SCORES if path.is_dir() else path for path in options.compare]
    if not 2 <= len(paths) <= len(COLOURS):
        raise UserError(f"--compare takes 2 to {len(COLOURS)} files of scores, {len(paths)} given")
    models = _read(paths)
    print_table(comparison_table(models))
    if options.output is not None:
        draw(models, options.output / "accuracy")


def _read(paths: Sequence[Path]) -> dict[str, list[Row]]:
    """The rows of each model by its name; by the path of its file where two have the same name."""
    read = [(path, *read_csv(path)) for path in paths]
    distinct = len({name for _, name, _ in read}) == len(read)
    if len(set(paths)) < len(paths):
        raise UserError("--compare names the same file twice; give one of each model")
    return {name if distinct else str(path): pool(judgements) for path, name, judgements in read}
