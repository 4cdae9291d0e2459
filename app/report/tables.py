"""The numbers as tables: one per method for the page, one for all methods in the terminal."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table as TerminalTable
from rich.text import Text

from app.plotting.style import LOOKS, accuracy, heading, iteration, quantity
from app.report.aggregate import Point, series
from app.runs.results import Result

COLUMNS = ("early_stop_iteration", "early_stop_test_accuracy", "final_test_accuracy", "final_train_accuracy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Such as one method's numbers: a header, and rows of texts, each as long as the header.

    Args:
        caption: what they are.
        header: names of the columns.
        rows: their cells.
        words: which columns, from 0, hold words: set to the left, and nothing in them is taken for a range.
    """

    caption: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    words: tuple[int, ...] = ()


def tables(results: Iterable[Result]) -> list[Table]:
    """One table per method, one row per round, the dense network first.

    Args:
        results: rows of one experiment.

    Returns:
        The methods that have rows; dense alone has a table only where nothing else has one.
    """
    rows = list(results)
    columns = [series(rows, column) for column in COLUMNS]
    methods = [method for method in columns[0] if method != "dense"] or list(columns[0])
    header = (heading("density"), *map(heading, COLUMNS), "Networks")
    return [
        Table(
            caption=LOOKS[method].label,
            header=header,
            rows=[_row(points) for points in zip(*(lines[method] for lines in columns), strict=True)],
        )
        for method in methods
    ]


def summary_table(results: Iterable[Result]) -> Group:
    """One experiment's results for the terminal: a row per round, a column per method, about 80 letters wide.

    Args:
        results: rows of one experiment, at least one.
    """
    rows = list(results)
    stop, early = (series(rows, column) for column in COLUMNS[:2])
    methods = [method for method in stop if method != "dense"] or list(stop)
    table = TerminalTable(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("round", "% of\nweights", *(LOOKS[method].label for method in methods)):
        table.add_column(name, justify="right", no_wrap=True)
    cells = {
        (method, at.round): f"{iteration(at.mean)} {accuracy(best.mean):>6}"
        for method in methods
        for at, best in zip(stop[method], early[method], strict=True)
    }
    densities = {point.round: point.density for line in stop.values() for point in line}
    for round_, density in sorted(densities.items()):
        table.add_row(str(round_), exact(density), *(cells.get((method, round_), "\N{EN DASH}") for method in methods))
    title = f"{rows[0].experiment}: early-stop iteration and test accuracy (%) there, means over networks"
    return Group(Text(title, style="bold"), "", table)


def exact(density: float) -> str:
    """A density as a percentage with two decimals: 3.58, and 100 for a dense network."""
    return "100" if density == 1 else f"{100 * density:.2f}"


def _row(points: tuple[Point, ...]) -> tuple[str, ...]:
    """The points of one round, in the order of `COLUMNS`."""
    cells = (_cell(column, point) for column, point in zip(COLUMNS, points, strict=True))
    return (exact(points[0].density), *cells, str(points[0].n))


def _cell(column: str, point: Point) -> str:
    mean, low, high = (quantity(column, value) for value in (point.mean, point.low, point.high))
    return f"{mean} ({low}\N{EN DASH}{high})" if point.n > 1 else mean
