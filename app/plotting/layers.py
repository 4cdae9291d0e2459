"""Figures of a number of each layer against weights remaining: lines coloured by depth, a panel per method."""

from math import isfinite

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from app.plotting.axes import DENSITY_HEADING, density_axis
from app.plotting.canvas import blocks, label_axes, legend, name_panel
from app.plotting.data import LayersFigure
from app.plotting.scales import value_axis
from app.plotting.shades import shades

SOFT = "#5f6368"
LETTER = 0.08  # inches


def layers_figure(data: LayersFigure) -> Figure:
    """Means over replicates with bands from least to greatest; all panels have the same axes."""
    marks = [mark for panel in data.panels.values() for line in panel.values() for mark in line]
    values = [value for mark in marks for value in (mark.low, mark.high) if isfinite(value)]
    if data.reference is not None:
        values.append(data.reference)
    names = list(dict.fromkeys(name for panel in data.panels.values() for name in panel))
    colours = dict(zip(names, shades(len(names)), strict=True))
    figure, (block,) = blocks([len(data.panels)])
    for axes, (title, panel) in zip(block.panels, data.panels.items(), strict=True):
        for name, line in panel.items():
            places, colour = [mark.x for mark in line], colours[name]
            axes.plot(places, [mark.mean for mark in line], color=colour, linewidth=1.4, marker="o", markersize=2.5)
            lows, highs = [mark.low for mark in line], [mark.high for mark in line]
            axes.fill_between(places, lows, highs, color=colour, alpha=0.13, linewidth=0)
        if data.reference is not None:
            axes.axhline(data.reference, color=SOFT, linestyle=(0, (4, 3)), linewidth=1.0, zorder=1.5)
        value_axis(axes, data.metric, (min(values), max(values)), points=block.height)
        density_axis(axes, [mark.x for mark in marks], points=block.width)
        label_axes(axes, DENSITY_HEADING, data.metric.heading)
        name_panel(axes, title)
    handles = [Line2D([], [], color=colours[name]) for name in data.layers]
    legend(block, handles, data.layers, each=0.7 + LETTER * max(map(len, data.layers)), title=data.title)
    return figure
