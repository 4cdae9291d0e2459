"""Figures of trainings by `fit`: values over iterations, every experiment one line in its colour."""

from collections.abc import Sequence
from math import ceil, floor, log, log10

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from app.plotting.axes import ENOUGH_TICKS, Range, accuracy_axis, iteration_axis, spread
from app.plotting.canvas import blocks, label_axes, name_panel, style
from app.plotting.style import Look, heading, iteration
from app.report.fits.line_styles import experiments_legend, look
from app.report.fits.quantities import PERCENT, PERPLEXITY, Quantity
from app.report.fits.reading import FitExperiment
from app.report.fits.series import FitPoint, complete, fit_line

FEW = 30  # points that a line may have and still mark each; longer ones mark so many that their look is known
MARKED = 8
EARLY = 0.1  # of the training: what comes before may run in from beyond the frame, but for UF1
MARGIN = 0.06  # of the frame, above and below
LEAST_MARGIN = 0.005  # of a value, so that equal ones, too, stand on an axis with ticks
LETTER = 5.2  # points, of a number of iterations
DIGITS = (1, 5, 2, 3, 1.5, 4, 7, 6, 8)  # of round numbers, the roundest first
STEPS = (1, 0.5, 0.2, 0.1)  # of the power of ten in a range, where round numbers are too few

Lines = dict[int, list[FitPoint]]


def fit_figure(experiments: Sequence[FitExperiment], quantities: Sequence[Quantity]) -> Figure:
    """Values against iterations: one panel each, a line for every experiment that has measured it.

    Means over seeds with bands from least to greatest; thin from where fewer seeds go on. The panels have the same
    axes, so that heights compare.

    Args:
        experiments: at least one; its place decides on its look, so that it has one look in all figures.
        quantities: of one scale, at least one.
    """
    panels = [_lines(experiments, quantity.column) for quantity in quantities]
    seen = _frame([points for lines in panels for points in lines.values()], quantities[0])
    last = max(points[-1].iteration for lines in panels for points in lines.values())
    with style():
        figure, (block,) = blocks([len(quantities)])
        for axes, quantity, lines in zip(block.panels, quantities, panels, strict=True):
            for rank, points in lines.items():
                _draw(axes, points, look(rank))
            _value_axis(axes, quantity, seen, points=block.height)
            _iteration_axis(axes, last, points=block.width)
            label_axes(axes, heading("iteration"), quantities[0].heading if len(quantities) == 1 else "UF1 (%)")
            if len(quantities) > 1:
                name_panel(axes, quantity.name)
        experiments_legend(figure, block, experiments, sorted({rank for lines in panels for rank in lines}))
    return figure


def _lines(experiments: Sequence[FitExperiment], column: str) -> Lines:
    lines = {rank: fit_line(experiment, column) for rank, experiment in enumerate(experiments)}
    return {rank: points for rank, points in lines.items() if points}


def _draw(axes: Axes, points: Sequence[FitPoint], look: Look) -> None:
    """A mean line with its band; thin where seeds that were there at its beginning are missing."""
    full = complete(points)
    every = 1 if len(points) <= FEW else ceil(len(points) / MARKED)
    joint = len(full) - 1
    for part, width, size, first in ((full, 1.4, 4.2, 0), (points[joint:], 0.8, 2.8, every - joint % every)):
        axes.plot(
            [point.iteration for point in part],
            [point.value.mean for point in part],
            color=look.colour,
            linestyle=look.line,
            linewidth=width,
            marker=look.marker,
            markersize=size,
            markeredgewidth=0,
            markevery=(first, every),
            zorder=3,
        )
    axes.fill_between(
        [point.iteration for point in points],
        [point.value.low for point in points],
        [point.value.high for point in points],
        color=look.colour,
        alpha=0.13,
        linewidth=0,
    )


def _frame(lines: Sequence[Sequence[FitPoint]], quantity: Quantity) -> Range:
    """Least and greatest value to be seen: a steep beginning would flatten all that follows; UF1 has none."""
    shown = [
        point.value
        for points in lines
        for point in points
        if quantity.greatest == PERCENT or point.iteration >= EARLY * points[-1].iteration
    ]
    return min(value.low for value in shown), max(value.high for value in shown)


def _iteration_axis(axes: Axes, last: float, *, points: float) -> None:
    """From 0, with as many round numbers as find place side by side."""
    width = LETTER * len(iteration(last)) + 10
    axes.set_xlim(0, 1.02 * last or 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(int(points / width), steps=[1, 2, 2.5, 5, 10], integer=True))
    iteration_axis(axes.xaxis)


def _value_axis(axes: Axes, quantity: Quantity, seen: Range, *, points: float) -> None:
    if quantity.greatest == 1:
        accuracy_axis(axes, seen, points=points)
    elif quantity == PERPLEXITY:
        perplexity_axis(axes, seen, points=points)
    else:
        low, high = seen
        margin = max(MARGIN * (high - low), LEAST_MARGIN * high) or 1.0
        axes.set_ylim(low - margin, high + margin)


def perplexity_axis(axes: Axes, seen: Range, *, points: float) -> None:
    """Perplexity, logarithmic, as its logarithm is what is minimised.

    Args:
        axes: where.
        seen: least and greatest perplexity to be seen.
        points: about how high the axes are, in typographic points.
    """
    low, high = seen
    margin = max((high / low) ** MARGIN, 1 + LEAST_MARGIN)
    low, high = low / margin, high * margin
    powers = range(floor(log10(low)), ceil(log10(high)))
    round_numbers = [digit * 10.0**power for digit in DIGITS for power in powers]
    steps = [step * 10.0 ** floor(log10(high - low)) for step in STEPS]
    ticks: list[float] = []
    for candidates in (
        round_numbers,
        *([step * n for n in range(int(low / step), int(high / step) + 2)] for step in steps),
    ):
        inside = [value for value in candidates if low <= value <= high]
        ticks = spread(inside, lambda value: log(value) / log(high / low), gap=20 / points)
        if len(ticks) >= ENOUGH_TICKS:
            break
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
