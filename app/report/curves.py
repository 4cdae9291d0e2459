"""The figure of learning curves: test accuracy over iterations, a handful of densities, one panel per method."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from app.common.errors import UserError
from app.plotting.axes import Range, accuracy_axis, iteration_axis
from app.plotting.canvas import blocks, label_axes, legend, name_panel, style
from app.plotting.style import LOOKS, heading, weights
from app.report.aggregate import Curve, chosen_rounds, curve, series, ticket_method
from app.report.experiments import Experiment
from app.runs.layout import CONTROLS, METHODS
from app.runs.results import Result

EARLY = 0.1  # of the training: what comes before may run in from below the frame


@dataclass(frozen=True, slots=True)
class Drawing:
    """What one experiment's block shows.

    Args:
        curves: by method, then by round; every pruned method has the dense curve, too.
        densities: of the rounds.
    """

    curves: dict[str, dict[int, Curve]]
    densities: dict[int, float]

    @property
    def methods(self) -> list[str]:
        """One panel each: the pruned methods, or dense alone."""
        return [method for method in self.curves if method != "dense"] or ["dense"]

    @property
    def tickets(self) -> str | None:
        """The method whose tickets the controls imitate."""
        return ticket_method(self.curves)

    def behind(self, method: str) -> dict[int, Curve]:
        """The tickets that a control is to be compared with; nothing for other methods."""
        return self.curves[self.tickets] if method in CONTROLS and self.tickets else {}

    def title(self, method: str) -> str:
        """What a panel is called."""
        thin = f" (thin: {LOOKS[self.tickets].label})" if method in CONTROLS and self.tickets else ""
        return LOOKS[method].label + thin


def curves_figure(experiments: Sequence[Experiment]) -> Figure:
    """Test accuracy over iterations: colour tells the density, dashes the method; one block per experiment.

    A control stands before the tickets of the same densities, which are drawn thin in the same colours.

    Args:
        experiments: at least one.

    Raises:
        UserError: a metrics.csv that is needed is missing or broken.
    """
    drawings = [_collect(experiment) for experiment in experiments]
    with style():
        figure, parts = blocks([len(drawing.methods) for drawing in drawings])
        for block, experiment, drawing in zip(parts, experiments, drawings, strict=True):
            colours = _colours(sorted(drawing.densities))
            seen = _frame([each for curves in drawing.curves.values() for each in curves.values()])
            for axes, method in zip(block.panels, drawing.methods, strict=True):
                _draw(axes, drawing.behind(method), colours, method=None)
                _draw(axes, drawing.curves[method], colours, method=method)
                accuracy_axis(axes, seen, points=block.height)
                iteration_axis(axes.xaxis)
                label_axes(axes, heading("iteration"), heading("test_accuracy"))
                name_panel(axes, drawing.title(method))
            handles = [
                Line2D([], [], color=colours[round_], label=weights(density))
                for round_, density in drawing.densities.items()
            ]
            title = heading("density") if len(experiments) == 1 else f"{experiment.name}: {heading('density')}"
            legend(block, handles, each=0.85, title=title)
    return figure


def _collect(experiment: Experiment) -> Drawing:
    lines = series(experiment.results, "density")
    rounds = chosen_rounds(lines[ticket_method(lines) or next(iter(lines))])
    found: dict[str, dict[int, Curve]] = {method: {} for method in METHODS if method in lines}
    densities: dict[int, float] = {}
    for round_ in rounds:
        for method in METHODS:
            rows = [row for row in experiment.results if (row.method, row.round) == (method, round_)]
            if rows:
                found[method][round_] = _common_curve(experiment, rows)
                densities.setdefault(round_, rows[0].density)
    for method in found:
        found[method] = {**found.get("dense", {}), **found[method]}
    return Drawing(found, densities)


def _common_curve(experiment: Experiment, rows: Sequence[Result]) -> Curve:
    made = curve([experiment.metrics(row.key) for row in rows])
    if not made.iterations:
        raise UserError(
            f"{experiment.name}: the networks of {rows[0].method}, round {rows[0].round} were tested at no common "
            "iteration; report them apart"
        )
    return made


def _colours(rounds: Sequence[int]) -> dict[int, Any]:
    """Black for dense, then from dark violet to light green: an order that survives without colour."""
    pruned = [round_ for round_ in rounds if round_ > 0]
    shades = matplotlib.colormaps["viridis"]
    steps = max(1, len(pruned) - 1)
    return {0: LOOKS["dense"].colour} | {
        round_: shades(0.12 + 0.68 * index / steps) for index, round_ in enumerate(pruned)
    }


def _frame(curves: Sequence[Curve]) -> Range:
    """From the least accuracy after the first steep rise to the greatest of all."""
    low = 1.0
    for each in curves:
        early = EARLY * each.iterations[-1]
        risen = [value for at, value in zip(each.iterations, each.low, strict=True) if at >= early]
        low = min(low, *risen)
    return low, max(max(each.high) for each in curves)


def _draw(axes: Axes, curves: dict[int, Curve], colours: dict[int, Any], *, method: str | None) -> None:
    """Draw curves in a method's dashes with their bands; thin and without bands where `method` is None."""
    for round_, each in curves.items():
        colour = colours[round_]
        if method is None:
            axes.plot(each.iterations, each.mean, color=colour, linewidth=0.8, alpha=0.6)
            continue
        line = "-" if round_ == 0 else LOOKS[method].line
        axes.plot(each.iterations, each.mean, color=colour, linestyle=line, linewidth=1.4, zorder=3 - 0.01 * round_)
        axes.fill_between(each.iterations, each.low, each.high, color=colour, alpha=0.13, linewidth=0)
    axes.margins(x=0.01)
