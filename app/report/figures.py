"""Figures against weights remaining: every method one line, mean with bars from least to greatest."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from app.plotting.axes import Range, accuracy_axis, common_ranges, density_axis, iteration_axis, stretch
from app.plotting.canvas import blocks, label_axes, legend, name_panel, style
from app.plotting.style import LOOKS, heading, plural
from app.report.aggregate import Point, Series, series
from app.report.experiments import Experiment
from app.runs.layout import METHODS

ASIDE = 2.6  # points between the bars of two methods that would else lie on each other


def density_figure(experiments: Sequence[Experiment], column: str) -> Figure:
    """One value against weights remaining: one panel per experiment, on one scale where that serves all.

    Args:
        experiments: at least one.
        column: a column of results.csv, such as `early_stop_iteration`.
    """
    everything = [series(experiment.results, column) for experiment in experiments]
    ranges = _ranges(everything, column)
    with style():
        figure, (block,) = blocks([len(experiments)])
        for axes, experiment, lines, seen in zip(block.panels, experiments, everything, ranges, strict=True):
            _draw(axes, lines, width=block.width)
            density_axis(axes, [point.density for line in lines.values() for point in line], points=block.width)
            if column.endswith("iteration"):
                iteration_axis(axes.yaxis)
                axes.set_ylim(0, 1.06 * seen[1] or 1.0)
            else:
                accuracy_axis(axes, seen, points=block.height)
            label_axes(axes, heading("density"), heading(column))
            if len(experiments) > 1:
                name_panel(axes, f"{experiment.name} ({plural(experiment.replicates, 'replicate')})")
        legend(block, _handles(everything), each=2.0 if len(experiments) == 1 else 1.5)
    return figure


def _ranges(everything: Sequence[Series], column: str) -> list[Range]:
    """What the vertical axis of each panel has to show: iterations from 0, accuracies from the least."""
    own = []
    for lines in everything:
        points = [point for line in lines.values() for point in line]
        own.append((min(point.low for point in points), max(point.high for point in points)))
    if column.endswith("iteration"):
        return common_ranges([(0.0, high) for _, high in own], float)
    return common_ranges(own, stretch)


def _draw(axes: Axes, lines: Series, *, width: float) -> None:
    """All lines of one panel, the dense point on top of them and its level beneath."""
    pruned = [method for method in lines if method != "dense"]
    densities = [point.density for line in lines.values() for point in line]
    per_point = (min(densities) / max(densities)) ** (1 / width)
    if "dense" in lines:
        axes.axhline(lines["dense"][0].mean, color=LOOKS["dense"].colour, linewidth=0.8, alpha=0.45, zorder=1.5)
    for rank, method in enumerate(pruned):
        _line(axes, method, lines[method], aside=per_point ** (ASIDE * (rank - (len(pruned) - 1) / 2)))
    if "dense" in lines:
        _line(axes, "dense", lines["dense"], aside=1.0)


def _line(axes: Axes, method: str, line: Sequence[Point], *, aside: float) -> None:
    """A mean line, and bars where there is more than one network.

    Args:
        axes: where.
        method: whose look it gets.
        line: its points; the dense one stays in its place, the others move aside.
        aside: what their densities are multiplied by to move them.
    """
    look = LOOKS[method]
    places = [point.density * (aside if point.round > 0 else 1.0) for point in line]
    means = [point.mean for point in line]
    axes.plot(places, means, color=look.colour, linestyle=look.line, marker=look.marker, markeredgewidth=0, zorder=3)
    for place, point in zip(places, line, strict=True):
        if point.n > 1 and _own(point, method):
            axes.vlines(place, point.low, point.high, color=look.colour, linewidth=1.0, alpha=0.65, zorder=2.5)


def _handles(everything: Sequence[Series]) -> list[Line2D]:
    """One entry per method, with the number of networks behind each point where the panel is the only one."""
    handles = []
    for method in METHODS:
        counts = {point.n for lines in everything for point in lines.get(method, ()) if _own(point, method)}
        if not counts:
            continue
        look, label = LOOKS[method], LOOKS[method].label
        if len(everything) == 1:
            label += f" (n = {min(counts)})" if len(counts) == 1 else f" (n = {min(counts)} to {max(counts)})"
        handles.append(
            Line2D([], [], label=label, color=look.colour, linestyle=look.line, marker=look.marker, markeredgewidth=0)
        )
    return handles


def _own(point: Point, method: str) -> bool:
    """Whether a point of a method's line is its own and not the dense one that it starts from."""
    return (point.round == 0) == (method == "dense")
