"""Figures of values over iterations: a line per experiment, in its own line style."""

from collections.abc import Sequence
from itertools import takewhile
from math import ceil

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from app.plotting.axes import ITERATION_HEADING, iteration_axis_from_zero
from app.plotting.canvas import blocks, label_axes, name_panel
from app.plotting.data import IterationsFigure, Line, Mark
from app.plotting.legends import experiments_legend
from app.plotting.scales import frame, value_axis

FEW = 30  # points that a line may have and still mark each; longer ones mark so many that their style is known
MARKED = 8


def iterations_figure(data: IterationsFigure) -> Figure:
    """Values against iterations: means over networks with bands from least to greatest.

    Lines are thin from where fewer networks go on. The panels have the same axes, so that heights compare.
    """
    lines = [line for panel in data.panels.values() for line in panel]
    seen = frame([line.marks for line in lines], data.metric)
    last = max(line.marks[-1].x for line in lines)
    figure, (block,) = blocks([len(data.panels)])
    for axes, (name, panel) in zip(block.panels, data.panels.items(), strict=True):
        for line in panel:
            _draw_line(axes, line)
        value_axis(axes, data.metric, seen, points=block.height)
        iteration_axis_from_zero(axes, last, points=block.width)
        label_axes(axes, ITERATION_HEADING, data.heading)
        if len(data.panels) > 1:
            name_panel(axes, name)
    experiments_legend(figure, block, data.legend)
    return figure


def complete(marks: Sequence[Mark]) -> list[Mark]:
    """The beginning of a line, as far as all networks have got that are in its first point."""
    return list(takewhile(lambda mark: mark.n == marks[0].n, marks))


def _draw_line(axes: Axes, line: Line) -> None:
    """A mean line with its band; thin where networks that were there at its beginning are missing."""
    line_style, marks, full = line.line_style, line.marks, complete(line.marks)
    every = 1 if len(marks) <= FEW else ceil(len(marks) / MARKED)
    joint = len(full) - 1
    for part, width, size, first in ((full, 1.4, 4.2, 0), (marks[joint:], 0.8, 2.8, every - joint % every)):
        axes.plot(
            [mark.x for mark in part],
            [mark.mean for mark in part],
            color=line_style.colour,
            linestyle=line_style.line,
            linewidth=width,
            marker=line_style.marker,
            markersize=size,
            markeredgewidth=0,
            markevery=(first, every),
            zorder=3,
        )
    axes.fill_between(
        [mark.x for mark in marks],
        [mark.low for mark in marks],
        [mark.high for mark in marks],
        color=line_style.colour,
        alpha=0.13,
        linewidth=0,
    )
