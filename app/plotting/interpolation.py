"""The figure of the error on the line between two networks (Frankle et al. 2020, figure 2)."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from app.plotting.canvas import blocks, label_axes
from app.plotting.data import Entry, Line
from app.plotting.legends import experiments_legend
from app.plotting.style import style

HEADING = "Place on the line between two copies"


def interpolation_figure(lines: Sequence[Line], legend: Sequence[Entry], heading: str) -> Figure:
    """Errors against the place on the line: one line per network, means over pairs, bands from least to greatest.

    Args:
        lines: with marks from 0 to 1, at least one.
        legend: an entry per network.
        heading: of the vertical axis; values are shares of 1, written in per cent.
    """
    with style():
        figure, (block,) = blocks([1])
        (axes,) = block.panels
        for line in lines:
            places, colour = [mark.x for mark in line.marks], line.line_style.colour
            axes.plot(places, [mark.mean for mark in line.marks], color=colour, linestyle=line.line_style.line)
            lows, highs = ([getattr(mark, name) for mark in line.marks] for name in ("low", "high"))
            axes.fill_between(places, lows, highs, color=colour, alpha=0.13, linewidth=0)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.06 * max(mark.high for line in lines for mark in line.marks) or 1.0)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}"))
        label_axes(axes, HEADING, heading)
        experiments_legend(figure, block, legend)
    return figure
