"""The figures of `stability`: error on the line, and error barriers against density and against the rewind point."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from app.common.metrics import Metric
from app.lottery.stability.error_line import ErrorLine
from app.lottery.stability.table import StabilityRow
from app.plotting.canvas import render
from app.plotting.data import DensityFigure, DensityPanel, Entry, IterationsFigure, Line, Mark
from app.plotting.draw import draw
from app.plotting.interpolation import interpolation_figure
from app.plotting.line_styles import experiment_style
from app.plotting.numbers import weights
from app.pruning.interpolation import alphas

BARRIER = Metric(
    name="barrier", label="Error barrier", unit="%", scale=100.0, decimals=2, better="lower", least=0.0, greatest=1.0
)
KINDS = ("png", "svg", "pdf")

Measured = tuple[StabilityRow, ErrorLine]


def stability_figures(measured: Sequence[Measured]) -> dict[str, bytes]:
    """Picture files by name.

    Args:
        measured: pairs of copies, at least one; those of one network are drawn as one line, and so are the barriers of
            one method of a lottery.
    """
    named = len({row.experiment for row, _ in measured}) > 1
    lines: dict[str, list[Measured]] = {}
    for row, line in measured:
        lines.setdefault(_network(row, named), []).append((row, line))
    drawn = [_error_line(rank, pairs) for rank, pairs in enumerate(lines.values())]
    legend = [Entry(label=label, line_style=experiment_style(rank)) for rank, label in enumerate(lines)]
    figures = {"error_on_the_line": interpolation_figure(drawn, legend, "Error (%)")}
    rows = [row for row, _ in measured]
    if len({row.density for row in rows}) > 1:
        begun = _begun_dense(rows)
        by_method = len({row.method for row in begun}) > 1
        series = _series(begun, lambda row: (row.experiment, row.method, row.iteration), lambda row: row.density)
        panel = DensityPanel(name="", dense=None, lines=[line for _, line in series])
        of_density = [Entry(label=_moment(row, named, by_method), line_style=line.line_style) for row, line in series]
        figures["barrier_by_density"] = draw(
            DensityFigure(panels=[panel], metric=BARRIER, legend=of_density, from_zero=True)
        )
    if len({row.iteration for row in rows}) > 1:
        series = _series(rows, lambda row: (row.experiment, row.method, row.round), lambda row: row.iteration)
        of_moment = [Entry(label=_whose(row, named), line_style=line.line_style) for row, line in series]
        panels = {"": [line for _, line in series]}
        figures["barrier_by_iteration"] = draw(
            IterationsFigure(panels=panels, metric=BARRIER, heading=BARRIER.heading, legend=of_moment)
        )
    return {f"{stem}.{kind}": render(figure, kind) for stem, figure in figures.items() for kind in KINDS}


def _error_line(rank: int, pairs: Sequence[Measured]) -> Line:
    """The errors of some pairs of copies of one network, as far as they were measured at the same places."""
    points = len(pairs[0][1].errors)
    errors = zip(*(line.errors for _, line in pairs if len(line.errors) == points), strict=True)
    marks = [_mark(place, values) for place, values in zip(alphas(points), errors, strict=True)]
    return Line(line_style=experiment_style(rank), marks=marks)


def _begun_dense(rows: Sequence[StabilityRow]) -> list[StabilityRow]:
    """The rows with those of a dense network once for every method that was studied from the same weights.

    They are the first of its line against density; where no method was studied, they stay those of the dense network.
    """
    methods: dict[tuple[str, int], dict[str, None]] = {}
    for row in rows:
        if row.round > 0:
            methods.setdefault((row.experiment, row.iteration), {})[row.method] = None
    return [
        replace(row, method=method)
        for row in rows
        for method in ([row.method] if row.round > 0 else methods.get((row.experiment, row.iteration), [row.method]))
    ]


def _series(
    rows: Sequence[StabilityRow], group: Callable[[StabilityRow], Hashable], place: Callable[[StabilityRow], float]
) -> list[tuple[StabilityRow, Line]]:
    """A line per group, each with its first row: barriers, from least to greatest of all that have the same place."""
    groups: dict[Hashable, dict[float, list[StabilityRow]]] = {}
    for row in rows:
        groups.setdefault(group(row), {}).setdefault(place(row), []).append(row)
    found = []
    for rank, places in enumerate(groups.values()):
        marks = [_mark(at, [row.barrier for row in places[at]]) for at in sorted(places)]
        found.append((next(iter(places.values()))[0], Line(line_style=experiment_style(rank), marks=marks)))
    return found


def _mark(place: float, values: Sequence[float]) -> Mark:
    return Mark(x=place, mean=sum(values) / len(values), low=min(values), high=max(values), n=len(values))


def _network(row: StabilityRow, named: bool) -> str:
    return f"{_whose(row, named)}, from {row.iteration:,}it"


def _whose(row: StabilityRow, named: bool) -> str:
    network = row.method if row.round == 0 else f"{_words(row.method)}, {weights(row.density)} %"
    return f"{row.experiment}, {network}" if named else network


def _moment(row: StabilityRow, named: bool, by_method: bool) -> str:
    whose = [*([row.experiment] if named else []), *([_words(row.method)] if by_method else [])]
    return ", ".join([*whose, f"from {row.iteration:,}it"])


def _words(method: str) -> str:
    return method.replace("_", " ")
