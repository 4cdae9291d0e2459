"""The figure of logical inference: accuracy against number of operators, as in Shen et al. (2019, section 5.4)."""

from math import floor
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MultipleLocator

from app.plotting.canvas import blocks, label_axes
from app.plotting.data import Line, OperatorsFigure
from app.plotting.legends import experiments_legend

SOFT = "#5f6368"
SHADE = "#f1f1f1"
STEP = 0.1  # between ticks of accuracy
BASELINE: dict[str, Any] = {"color": SOFT, "linestyle": (0, (4, 3)), "linewidth": 1.0}


def operators_figure(data: OperatorsFigure) -> Figure:
    """Accuracy against number of operators: a line per experiment, means over networks, bars from least to greatest."""
    figure, (block,) = blocks([1])
    (axes,) = block.panels
    for baseline in data.baselines:
        axes.plot(*zip(*baseline, strict=True), zorder=2, **BASELINE)
    for line in data.lines:
        _draw_line(axes, line)
    _set_axes(axes, data)
    if data.trained is not None:
        _shade(axes, data.trained)
    label_axes(axes, "Operators in the longer formula", data.metric.heading)
    experiments_legend(figure, block, data.legend, others={"majority": Line2D([], [], **BASELINE)})
    return figure


def _draw_line(axes: Axes, line: Line) -> None:
    axes.errorbar(
        [mark.x for mark in line.marks],
        [mark.mean for mark in line.marks],
        yerr=[
            [max(0.0, mark.mean - mark.low) for mark in line.marks],
            [max(0.0, mark.high - mark.mean) for mark in line.marks],
        ],
        color=line.line_style.colour,
        linestyle=line.line_style.line,
        linewidth=1.4,
        marker=line.line_style.marker,
        markersize=4.2,
        markeredgewidth=0,
        elinewidth=0.9,
        capsize=2,
        zorder=3,
    )


def _set_axes(axes: Axes, data: OperatorsFigure) -> None:
    """Whole numbers of operators, and accuracy from the round number below all to 100 %."""
    numbers = sorted(data.ticks)
    lows = [mark.low for line in data.lines for mark in line.marks]
    lowest = min([*lows, *(value for baseline in data.baselines for _, value in baseline)])
    axes.set_xlim(numbers[0] - 0.5, numbers[-1] + 0.5)
    axes.xaxis.set_major_locator(FixedLocator(numbers))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: data.ticks[round(value)]))
    axes.set_ylim(max(0.0, STEP * floor(lowest / STEP)), 1.015)
    axes.yaxis.set_major_locator(MultipleLocator(STEP))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{data.metric.scale * value:.4g}"))


def _shade(axes: Axes, trained: int) -> None:
    axes.axvspan(axes.get_xlim()[0], trained + 0.5, color=SHADE, linewidth=0, zorder=0)
    edge = trained + 0.45, axes.get_ylim()[0] + 0.01
    axes.text(*edge, "trained on", ha="right", va="bottom", color=SOFT, fontsize=8)
