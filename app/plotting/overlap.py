"""Figures of the overlap of masks against weights remaining: a panel per layer, chance dashed with its band."""

from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from app.plotting.axes import DENSITY_HEADING, density_axis
from app.plotting.canvas import blocks, label_axes, name_panel
from app.plotting.data import Line, OverlapFigure
from app.plotting.legends import methods_legend
from app.plotting.scales import Range, common_ranges, placing, value_axis


def overlap_figure(data: OverlapFigure) -> Figure:
    """Means over pairs of masks with bars from least to greatest; panels have one scale where that serves all."""
    marks = [mark for panel in data.panels for line in panel.lines for mark in line.marks]
    own = [_range([*panel.lines, *panel.chances]) for panel in data.panels]
    ranges = common_ranges(own, placing(data.metric, own))
    figure, (block,) = blocks([len(data.panels)])
    for axes, panel, seen in zip(block.panels, data.panels, ranges, strict=True):
        for line in panel.chances:
            _draw_chance(axes, line)
        for line in panel.lines:
            _draw_line(axes, line)
        value_axis(axes, data.metric, seen, points=block.height)
        density_axis(axes, [mark.x for mark in marks], points=block.width)
        label_axes(axes, DENSITY_HEADING, data.metric.heading)
        name_panel(axes, panel.name)
    methods_legend(figure, block, data.legend, each=1.5)
    return figure


def _range(lines: Iterable[Line]) -> Range:
    marks = [mark for line in lines for mark in line.marks]
    # A band that reaches down to 0 has no place on a logarithmic axis.
    return min(mark.low for mark in marks if mark.low > 0), max(mark.high for mark in marks)


def _draw_chance(axes: Axes, line: Line) -> None:
    places, style = [mark.x for mark in line.marks], line.line_style
    lows, highs = [mark.low for mark in line.marks], [mark.high for mark in line.marks]
    axes.fill_between(places, lows, highs, color=style.colour, alpha=0.2, linewidth=0)
    axes.plot(
        places, [mark.mean for mark in line.marks], color=style.colour, linestyle=style.line, linewidth=1.0, zorder=2
    )


def _draw_line(axes: Axes, line: Line) -> None:
    style = line.line_style
    axes.plot(
        [mark.x for mark in line.marks],
        [mark.mean for mark in line.marks],
        color=style.colour,
        linestyle=style.line,
        linewidth=1.4,
        marker=style.marker,
        markeredgewidth=0,
        zorder=3,
    )
    for mark in line.marks:
        if mark.n > 1 and mark.high > mark.low:
            axes.vlines(mark.x, mark.low, mark.high, color=style.colour, linewidth=0.9, alpha=0.65, zorder=2.5)
