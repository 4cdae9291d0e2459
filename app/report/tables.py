"""Tables of numbers: of one lottery's methods for the page, and of all its methods for the terminal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table as TerminalTable
from rich.text import Text

from app.common.metrics import Metric, described, headline_metrics
from app.plotting.numbers import iteration
from app.report.lottery_series import Point, series
from app.report.methods import Methods
from app.report.metrics import EARLY_STOP_ITERATION, column, result_metrics
from app.report.wording import in_sentence
from app.runs.layout import DENSE
from app.runs.schema import RunSchema
from app.runs.table import EARLY_STOP, Result

NONE = "\N{EN DASH}"


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
    rows: Sequence[tuple[str, ...]]
    words: tuple[int, ...] = ()


def method_tables(results: Sequence[Result], columns: Sequence[Metric], methods: Methods) -> list[Table]:
    """One table per method, one row per round, the dense network first.

    Args:
        results: rows of one experiment.
        columns: of results.csv, each as a metric of the column's name.
        methods: all of them.

    Returns:
        The methods that have rows; dense alone has a table only where nothing else has one.
    """
    lines = [series(results, each.name, methods) for each in columns]
    header = ("% of weights remaining", *(each.heading for each in columns), "Networks")
    return [
        Table(
            caption=methods.title(method),
            header=header,
            rows=[_row(points, columns) for points in zip(*(line[method] for line in lines), strict=True)],
        )
        for method in _shown(lines[0])
    ]


def summary_table(rows: Iterable[Result], schema: RunSchema) -> Group:
    """One experiment's results for the terminal: a row per round, a column per method.

    Args:
        rows: of one experiment, at least one.
        schema: what its networks measure, and its methods.
    """
    rows = list(rows)
    methods = Methods.of([schema], [row.method for row in rows])
    measured = described(schema.metrics, result_metrics(name for row in rows for name in row.values))
    metrics = headline_metrics(measured.values())[:2]  # as many as a terminal has room for
    columns = [column(metric, EARLY_STOP) for metric in metrics]
    stop, *values = (series(rows, each.name, methods) for each in (EARLY_STOP_ITERATION, *columns))
    shown = _shown(stop)
    table = TerminalTable(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("round", "% of\nweights", *map(methods.title, shown)):
        table.add_column(Text(name), justify="right", no_wrap=True)
    cells = {
        (method, at.round): " ".join(
            [
                iteration(at.value.mean),
                *(f"{each.number(point.value.mean):>6}" for each, point in zip(columns, points, strict=True)),
            ]
        )
        for method in shown
        for at, *points in zip(stop[method], *(lines[method] for lines in values), strict=True)
    }
    densities = {point.round: point.density for line in stop.values() for point in line}
    for round_, density in sorted(densities.items()):
        table.add_row(str(round_), exact(density), *(cells.get((method, round_), NONE) for method in shown))
    told = "".join(f" and {in_sentence(metric.heading)}" for metric in metrics)
    title = f"{rows[0].experiment}: early-stop iteration{f'{told} there' if told else ''}, means over networks"
    return Group(Text(title, style="bold"), "", table)


def exact(density: float) -> str:
    """A density as a percentage with two decimals: 3.58, and 100 for a dense network."""
    return "100" if density == 1 else f"{100 * density:.2f}"


def _shown(methods: Iterable[str]) -> list[str]:
    """The methods that have a column or a table: all but dense, or dense alone."""
    present = list(methods)
    return [method for method in present if method != DENSE] or present


def _row(points: Sequence[Point], columns: Sequence[Metric]) -> tuple[str, ...]:
    """The points of one round, one per column."""
    cells = (point.value.number(each) for point, each in zip(points, columns, strict=True))
    return (exact(points[0].density), *cells, str(points[0].value.n))
