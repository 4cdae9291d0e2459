"""Tables of numbers: of one lottery's methods for the page, and of all its methods for the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table as TerminalTable
from rich.text import Text

from app.common.metrics import Metric, described, headline_metrics
from app.plotting.numbers import iteration
from app.report.lottery_series import BOUND, Point, Series, series
from app.report.methods import Methods
from app.report.metrics import EARLY_STOP_ITERATION, column, result_metrics
from app.report.wording import in_sentence
from app.runs.best_validation import BestValidation
from app.runs.layout import DENSE
from app.runs.schema import RunSchema
from app.runs.table import EARLY_STOP, Result

NONE = "\N{EN DASH}"
ACROSS = (6, 4, 3)  # methods side by side in 80 columns, by the number of metrics beside the early stop
HEADING = 14  # letters of a line above a column


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


def method_tables(
    results: Sequence[Result], columns: Sequence[Metric], methods: Methods, best: BestValidation
) -> list[Table]:
    """One table per method, one row per round, the dense network first.

    Args:
        results: rows of one experiment.
        columns: of results.csv, each as a metric of the column's name; the first is the early-stop iteration.
        methods: all of them.
        best: how validations were compared.

    Returns:
        The methods that have rows; dense alone has a table only where nothing else has one.
    """
    lines = [series(results, each.name, methods, best) for each in columns]
    header = ("% of weights remaining", *(each.heading for each in columns), "Networks")
    return [
        Table(
            caption=methods.title(method),
            header=header,
            rows=[
                _row(point, [_of_round(line, method, point.round) for line in lines], columns)
                for point in lines[0][method]
            ],
        )
        for method in _shown(lines[0])
    ]


def summary_table(rows: Iterable[Result], schema: RunSchema, best: BestValidation | None = None) -> Group:
    """One experiment's results for the terminal: a row per round, a column per method.

    Args:
        rows: of one experiment, at least one.
        schema: what its networks measure, and its methods.
        best: how validations were compared, to mark early stops that are only lower bounds.
    """
    rows = list(rows)
    methods = Methods.of([schema], [row.method for row in rows])
    measured = described(schema.metrics, result_metrics(name for row in rows for name in row.values))
    metrics = headline_metrics(measured.values())[:2]  # as many as a terminal has room for
    columns = [column(metric, EARLY_STOP) for metric in metrics]
    stop, *values = (series(rows, each.name, methods, best) for each in (EARLY_STOP_ITERATION, *columns))
    shown = _shown(stop)
    cells = {
        (method, at.round): " ".join(
            [
                f"{BOUND if at.bounds else ''}{iteration(at.value.mean)}",
                *(
                    f"{_mean(metric, _of_round(lines, method, at.round)):>6}"
                    for metric, lines in zip(columns, values, strict=True)
                ),
            ]
        )
        for method in shown
        for at in stop[method]
    }
    densities = {point.round: point.place for line in stop.values() for point in line}
    most = ACROSS[min(len(metrics), len(ACROSS) - 1)]
    tables = [
        _terminal_table([(each, methods.title(each)) for each in shown[first : first + most]], densities, cells)
        for first in range(0, len(shown), most)
    ]
    told = "".join(f" and {in_sentence(metric.heading)}" for metric in metrics)
    title = f"{rows[0].experiment}: early-stop iteration{f'{told} there' if told else ''}, means over networks"
    bounds = any(point.bounds for line in stop.values() for point in line)
    note = [f"{BOUND} a lower bound: best at the last validation, or better still at the end"] if bounds else []
    return Group(Text(title, style="bold"), *(part for table in tables for part in ("", table)), *note)


def _terminal_table(
    shown: Sequence[tuple[str, str]], densities: Mapping[int, float], cells: Mapping[tuple[str, int], str]
) -> TerminalTable:
    """A row per round, a column per method; `shown` holds their names and titles."""
    table = TerminalTable(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("round", "% of\nweights", *(fill(title, HEADING) for _, title in shown)):
        table.add_column(Text(name), justify="right", no_wrap=True)
    for round_, density in sorted(densities.items()):
        table.add_row(str(round_), exact(density), *(cells.get((method, round_), NONE) for method, _ in shown))
    return table


def exact(density: float, round_: int = 0) -> str:
    """A density as a percentage with two decimals: 3.58, and 100 for a dense network, with the round of later ones."""
    if density == 1:
        return f"100, round {round_}" if round_ else "100"
    return f"{100 * density:.2f}"


def _shown(methods: Iterable[str]) -> list[str]:
    """The methods that have a column or a table: all but dense, or dense alone."""
    present = list(methods)
    return [method for method in present if method != DENSE] or present


def _row(first: Point, points: Sequence[Point | None], columns: Sequence[Metric]) -> tuple[str, ...]:
    """The points of one round, one per column; `first` is that of a column that all networks have."""
    cells = (NONE if point is None else point.number(each) for point, each in zip(points, columns, strict=True))
    return (exact(first.density, first.round), *cells, str(first.value.n))


def _of_round(lines: Series, method: str, round_: int) -> Point | None:
    return next((point for point in lines.get(method, ()) if point.round == round_), None)


def _mean(metric: Metric, point: Point | None) -> str:
    return NONE if point is None else metric.number(point.value.mean)
