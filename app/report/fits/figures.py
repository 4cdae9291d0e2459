"""Figures of trainings by `fit`: values over iterations, every experiment one line in its colour."""

from collections.abc import Sequence
from math import ceil, floor, log, log10
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from app.report.axes import ENOUGH_TICKS, Range, accuracy_axis, iteration_axis, spread
from app.report.canvas import Block, blocks, label_axes, legend, name_panel, style
from app.report.fits.quantities import PERCENT, PERPLEXITY, Quantity
from app.report.fits.reading import FitExperiment
from app.report.fits.series import FitPoint, complete, fit_line
from app.report.style import Look, heading, iteration, plural

# Okabe and Ito's palette; dashes and markers recur at other times, so that no two of 140 experiments look the same.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES: tuple[Any, ...] = ("-", (0, (4, 2)), (0, (7, 1.5, 1.5, 1.5)), (0, (1.2, 1.4)))
MARKERS = ("o", "^", "s", "v", "D")
FEW = 30  # points that a line may have and still mark each; longer ones mark so many that their look is known
MARKED = 8
EARLY = 0.1  # of the training: what comes before may run in from beyond the frame, but for UF1
MARGIN = 0.06  # of the frame, above and below
LEAST_MARGIN = 0.005  # of a value, so that equal ones, too, stand on an axis with ticks
LETTER = 5.2  # points, of a number of iterations
NAME = 60  # letters of an experiment's name in the legend
LINE_LETTERS = 40  # in a line of it
LINE = 0.19  # inches
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
                _draw(axes, points, _look(rank))
            _value_axis(axes, quantity, seen, points=block.height)
            _iteration_axis(axes, last, points=block.width)
            label_axes(axes, heading("iteration"), quantities[0].heading if len(quantities) == 1 else "UF1 (%)")
            if len(quantities) > 1:
                name_panel(axes, quantity.name)
        _legend(figure, block, experiments, sorted({rank for lines in panels for rank in lines}))
    return figure


def _lines(experiments: Sequence[FitExperiment], column: str) -> Lines:
    lines = {rank: fit_line(experiment, column) for rank, experiment in enumerate(experiments)}
    return {rank: points for rank, points in lines.items() if points}


def _look(rank: int) -> Look:
    return Look(
        label="",
        colour=COLOURS[rank % len(COLOURS)],
        line=DASHES[rank % len(DASHES)],
        marker=MARKERS[rank % len(MARKERS)],
    )


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


def _legend(figure: Figure, block: Block, experiments: Sequence[FitExperiment], ranks: Sequence[int]) -> None:
    """The experiments above the panels, which keep their size: the figure gets higher.

    Names are the user's: they are put in after matplotlib has looked for what it takes for marks.
    """
    chosen = [experiments[rank] for rank in ranks]
    texts = [fill(f"{_short(each.name)} ({plural(len(each.fits), 'seed')})", LINE_LETTERS) for each in chosen]
    handles = [
        Line2D([], [], label=str(rank), color=look.colour, linestyle=look.line, marker=look.marker, markeredgewidth=0)
        for rank, look in ((rank, _look(rank)) for rank in ranks)
    ]
    each = 0.7 + 0.08 * max(len(line) for text in texts for line in text.splitlines())
    width, height = figure.get_size_inches()
    rows = ceil(len(texts) / max(1, int(width / each)))
    columns = [texts[first : first + rows] for first in range(0, len(texts), rows)]
    lines = max(sum(text.count("\n") + 1 for text in column) for column in columns)
    figure.set_size_inches(width, height + LINE * (lines - 1))
    legend(block, handles, each=each)
    for label, text in zip(block.figure.legends[-1].get_texts(), texts, strict=True):
        label.set_parse_math(False)
        label.set_text(text)


def _short(name: str) -> str:
    return name if len(name) <= NAME else f"{name[: NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
