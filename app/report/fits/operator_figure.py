"""The figure of logical inference: accuracy against number of operators, as in Shen et al. (2019, section 5.4)."""

from collections.abc import Sequence
from math import floor
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MultipleLocator

from app.plotting.canvas import blocks, label_axes, style
from app.plotting.style import Look
from app.report.fits.line_styles import experiments_legend, look
from app.report.fits.operators import ANY_ACCURACY, OperatorPoint, by_operators
from app.report.fits.reading import FitExperiment

SOFT = "#5f6368"
SHADE = "#f1f1f1"
STEP = 0.1  # between ticks of accuracy
BASELINE: dict[str, Any] = {"color": SOFT, "linestyle": (0, (4, 3)), "linewidth": 1.0}


def operator_figure(experiments: Sequence[FitExperiment], trained: int | None) -> Figure:
    """Test accuracy against number of operators: a line per experiment, means over seeds, bars from least to greatest.

    Args:
        experiments: of which one at least has measured it; their places decide on their looks.
        trained: the most operators that were trained on; what is up to there is shaded.
    """
    lines = {rank: points for rank, each in enumerate(experiments) if (points := by_operators(each))}
    with style():
        figure, (block,) = blocks([1])
        (axes,) = block.panels
        # Experiments on the same data have the same one, up to the rounding of means over seeds.
        for baseline in dict.fromkeys(
            tuple((point.operators, round(point.majority, 6)) for point in points) for points in lines.values()
        ):
            axes.plot(*zip(*baseline, strict=True), zorder=2, **BASELINE)
        for rank, points in lines.items():
            _draw(axes, points, look(rank))
        _frame(axes, list(lines.values()))
        if trained is not None:
            _shade(axes, trained)
        label_axes(axes, "Operators in the longer formula", ANY_ACCURACY.heading)
        experiments_legend(figure, block, experiments, list(lines), others={"majority": Line2D([], [], **BASELINE)})
    return figure


def _draw(axes: Axes, points: Sequence[OperatorPoint], look: Look) -> None:
    means = [point.accuracy.mean for point in points]
    axes.errorbar(
        [point.operators for point in points],
        means,
        yerr=[
            [max(0.0, mean - point.accuracy.low) for mean, point in zip(means, points, strict=True)],
            [max(0.0, point.accuracy.high - mean) for mean, point in zip(means, points, strict=True)],
        ],
        color=look.colour,
        linestyle=look.line,
        linewidth=1.4,
        marker=look.marker,
        markersize=4.2,
        markeredgewidth=0,
        elinewidth=0.9,
        capsize=2,
        zorder=3,
    )


def _frame(axes: Axes, lines: Sequence[Sequence[OperatorPoint]]) -> None:
    """Whole numbers of operators, and accuracy from the round number below all to 100 %."""
    labels = {point.operators: point.label for line in lines for point in line}
    numbers = sorted(labels)
    lowest = min(min(point.accuracy.low, point.majority) for line in lines for point in line)
    axes.set_xlim(numbers[0] - 0.5, numbers[-1] + 0.5)
    axes.xaxis.set_major_locator(FixedLocator(numbers))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: labels[round(value)]))
    axes.set_ylim(max(0.0, STEP * floor(lowest / STEP)), 1.015)
    axes.yaxis.set_major_locator(MultipleLocator(STEP))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}"))


def _shade(axes: Axes, trained: int) -> None:
    axes.axvspan(axes.get_xlim()[0], trained + 0.5, color=SHADE, linewidth=0, zorder=0)
    edge = trained + 0.45, axes.get_ylim()[0] + 0.01
    axes.text(*edge, "trained on", ha="right", va="bottom", color=SOFT, fontsize=8)
