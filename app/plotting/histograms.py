"""The figure of surviving initial weights: their distribution at some densities beside that of all, by layer."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from app.plotting.axes import DENSITY_HEADING
from app.plotting.canvas import blocks, label_axes, legend, name_panel
from app.plotting.data import HistogramsFigure
from app.plotting.numbers import weights
from app.plotting.shades import round_colours

ALL = "#dcdcdc"


def histograms_figure(data: HistogramsFigure) -> Figure:
    """All initial weights as a grey area, survivors as outlines; each area is 1."""
    colours = round_colours(list(data.densities))
    figure, (block,) = blocks([len(data.panels)])
    for axes, panel in zip(block.panels, data.panels, strict=True):
        axes.stairs(panel.everything, panel.edges, fill=True, color=ALL, zorder=1)
        for round_, shares in panel.survivors.items():
            axes.stairs(shares, panel.edges, color=colours[round_], linewidth=1.2, zorder=3)
        axes.margins(x=0.01)
        axes.set_ylim(bottom=0)
        axes.tick_params(axis="y", labelsize=8)
        label_axes(axes, "Initial weight", "Probability density")
        name_panel(axes, panel.name)
    handles = [Patch(color=ALL), *(Line2D([], [], color=colours[round_]) for round_ in data.densities)]
    texts = ["all", *map(weights, data.densities.values())]
    legend(block, handles, texts, each=0.85, title=DENSITY_HEADING)
    return figure
