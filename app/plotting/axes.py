"""Horizontal axes: weights remaining and iterations."""

from collections.abc import Sequence
from math import exp, log

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter

from app.plotting.numbers import iteration, weights
from app.plotting.scales import spread

DENSITY_HEADING = "% of weights remaining"
ITERATION_HEADING = "Iteration"
LETTER = 5.2  # points, of a number of iterations


def density_axis(axes: Axes, densities: Sequence[float], *, points: float) -> None:
    """Weights remaining, logarithmic, dense on the left; ticks at the densities themselves, labels where they fit.

    Args:
        axes: where.
        densities: one per round.
        points: about how wide the axes are, in typographic points.
    """
    places = sorted(set(densities), reverse=True)
    width = log(places[0] / places[-1]) or 1.0
    labelled = spread(places, lambda density: log(density) / width, gap=27 / points)
    axes.set_xscale("log")
    axes.set_xlim(places[0] * exp(0.035 * width), places[-1] / exp(0.035 * width))
    axes.xaxis.set_major_locator(FixedLocator(labelled))
    axes.xaxis.set_minor_locator(FixedLocator([density for density in places if density not in labelled]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda density, _: weights(density)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def iteration_axis(axis: Axis) -> None:
    """Iterations, a comma between thousands."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: iteration(value)))


def iteration_axis_from_zero(axes: Axes, last: float, *, points: float) -> None:
    """Iterations from 0, with as many round numbers as fit side by side.

    Args:
        axes: where.
        last: the last iteration.
        points: about how wide the axes are, in typographic points.
    """
    width = LETTER * len(iteration(last)) + 10
    axes.set_xlim(0, 1.02 * last or 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(int(points / width), steps=[1, 2, 2.5, 5, 10], integer=True))
    iteration_axis(axes.xaxis)
