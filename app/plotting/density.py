"""Figures against weights remaining: every method one line, mean with bars from least to greatest."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from app.plotting.axes import DENSITY_HEADING, density_axis
from app.plotting.canvas import blocks, label_axes, name_panel
from app.plotting.data import DensityFigure, DensityPanel, Line, Mark
from app.plotting.legends import methods_legend
from app.plotting.line_styles import DENSE_STYLE
from app.plotting.scales import Range, common_ranges, placing, value_axis

ASIDE = 2.6  # points between the bars of two methods that would else lie on each other
SPREAD = 0.6  # of the distance between two rounds, which the bars of all methods together take at most
FRAME = 0.06  # of the width of the axes, likewise: the bars of the last round stay inside


def density_figure(data: DensityFigure) -> Figure:
    """One metric against weights remaining: one panel per experiment, on one scale where that serves all."""
    ranges = _ranges(data)
    figure, (block,) = blocks([len(data.panels)])
    for axes, panel, seen in zip(block.panels, data.panels, ranges, strict=True):
        _draw_panel(axes, panel, width=block.width)
        density_axis(axes, [mark.x for mark in _marks(panel)], points=block.width)
        if data.from_zero:
            axes.set_ylim(0, 1.06 * seen[1] or 1.0)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: data.metric.number(value)))
        else:
            value_axis(axes, data.metric, seen, points=block.height)
        label_axes(axes, DENSITY_HEADING, data.metric.heading)
        if panel.name:
            name_panel(axes, panel.name)
    methods_legend(figure, block, data.legend, each=2.0 if len(data.panels) == 1 else 1.5)
    return figure


def _marks(panel: DensityPanel) -> list[Mark]:
    return [*([panel.dense] if panel.dense else []), *(mark for line in panel.lines for mark in line.marks)]


def _ranges(data: DensityFigure) -> list[Range]:
    """What the vertical axis of each panel has to show."""
    own = [(min(mark.low for mark in marks), max(mark.high for mark in marks)) for marks in map(_marks, data.panels)]
    if data.cut:
        own = [_cut(seen, [mark.mean for mark in _marks(panel)]) for seen, panel in zip(own, data.panels, strict=True)]
    if data.from_zero:
        return common_ranges([(0.0, high) for _, high in own], float)
    return common_ranges(own, placing(data.metric, own))


def _cut(seen: Range, means: Sequence[float]) -> Range:
    """A range that reaches beyond the means by as much as these span, at most."""
    low, high = min(means), max(means)
    return (max(seen[0], 2 * low - high), min(seen[1], 2 * high - low)) if high > low else seen


def _draw_panel(axes: Axes, panel: DensityPanel, *, width: float) -> None:
    """All lines of one panel, the dense point on top of them and its level beneath."""
    densities = [mark.x for mark in _marks(panel)]
    per_point = (min(densities) / max(densities)) ** (1 / width)
    rounds = max([1, *(len(line.marks) for line in panel.lines)])
    apart = min(ASIDE, min(SPREAD * width / rounds, FRAME * width) / max(1, len(panel.lines)))
    start = [panel.dense] if panel.dense else []
    if panel.dense:
        axes.axhline(panel.dense.mean, color=DENSE_STYLE.colour, linewidth=0.8, alpha=0.45, zorder=1.5)
    for rank, line in enumerate(panel.lines):
        _draw_line(axes, line, start, aside=per_point ** (apart * (rank - (len(panel.lines) - 1) / 2)))
    if panel.dense:
        _draw_line(axes, Line(line_style=DENSE_STYLE, marks=start), [], aside=1.0)


def _draw_line(axes: Axes, line: Line, start: Sequence[Mark], *, aside: float) -> None:
    """A mean line, and bars where there is more than one network; points that are lower bounds are hollow.

    Args:
        axes: where.
        line: its own points.
        start: the points that it begins with, which stay in their place and have no bars here.
        aside: what the densities of its own points are multiplied by to move them.
    """
    line_style = line.line_style
    places = [mark.x * aside for mark in line.marks]
    axes.plot(
        [*(mark.x for mark in start), *places],
        [mark.mean for mark in (*start, *line.marks)],
        color=line_style.colour,
        linestyle=line_style.line,
        marker=line_style.marker,
        markeredgewidth=0,
        zorder=3,
    )
    whole = [*zip([mark.x for mark in start], start, strict=True), *zip(places, line.marks, strict=True)]
    for place, mark in whole:
        if mark.bound:
            axes.plot(
                place,
                mark.mean,
                linestyle="",
                marker=line_style.marker,
                markerfacecolor=axes.get_facecolor(),
                markeredgecolor=line_style.colour,
                zorder=3.1,
            )
    for place, mark in zip(places, line.marks, strict=True):
        if mark.n > 1:
            axes.vlines(place, mark.low, mark.high, color=line_style.colour, linewidth=1.0, alpha=0.65, zorder=2.5)
