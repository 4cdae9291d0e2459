"""The figure of learning curves: a metric over iterations, a handful of densities, one panel per method."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from app.plotting.axes import DENSITY_HEADING, ITERATION_HEADING, iteration_axis
from app.plotting.canvas import blocks, label_axes, legend, name_panel
from app.plotting.data import CurvesFigure, CurvesPanel, Mark
from app.plotting.numbers import weights
from app.plotting.scales import frame, value_axis
from app.plotting.shades import round_colours

Curves = Mapping[int, Sequence[Mark]]


def curves_figure(data: CurvesFigure) -> Figure:
    """A metric over iterations: colour tells the density, dashes the method; one block per experiment."""
    figure, parts = blocks([len(group.panels) for group in data.groups])
    for block, group in zip(parts, data.groups, strict=True):
        colours = round_colours(sorted(group.densities))
        seen = frame([marks for panel in group.panels for marks in panel.curves.values()], data.metric)
        for axes, panel in zip(block.panels, group.panels, strict=True):
            _draw_thin(axes, panel.behind, colours)
            _draw_panel(axes, panel, colours)
            value_axis(axes, data.metric, seen, points=block.height)
            if data.heading:
                axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            else:
                iteration_axis(axes.xaxis)
            label_axes(axes, data.heading or ITERATION_HEADING, data.metric.heading)
            name_panel(axes, panel.name)
        handles = [Line2D([], [], color=colours[round_]) for round_ in group.densities]
        texts = [weights(density) for density in group.densities.values()]
        title = f"{group.title}: {DENSITY_HEADING}" if group.title else DENSITY_HEADING
        legend(block, handles, texts, each=0.85, title=title)
    return figure


def _draw_thin(axes: Axes, curves: Curves, colours: Mapping[int, Any]) -> None:
    for round_, marks in curves.items():
        axes.plot(
            [mark.x for mark in marks],
            [mark.mean for mark in marks],
            color=colours[round_],
            linewidth=0.8,
            alpha=0.6,
        )


def _draw_panel(axes: Axes, panel: CurvesPanel, colours: Mapping[int, Any]) -> None:
    """Draw curves in a method's dashes with their bands."""
    for round_, marks in panel.curves.items():
        colour, places = colours[round_], [mark.x for mark in marks]
        axes.plot(
            places,
            [mark.mean for mark in marks],
            color=colour,
            linestyle="-" if round_ == 0 else panel.line_style.line,
            linewidth=1.4,
            zorder=3 - 0.01 * round_,
        )
        lows, highs = [mark.low for mark in marks], [mark.high for mark in marks]
        axes.fill_between(places, lows, highs, color=colour, alpha=0.13, linewidth=0)
    axes.margins(x=0.01)
