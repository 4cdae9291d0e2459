"""The axes that the figures share: weights remaining, iterations, and accuracy."""

from collections.abc import Callable, Iterable, Sequence
from math import exp, log

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from app.plotting.style import iteration, weights

Range = tuple[float, float]

SMALLEST_ERROR = 1e-5  # an accuracy of 1 has a place on the axis, too
ROUND_ERRORS = tuple(digit * power for digit in (1, 5, 2, 3, 1.5, 4, 7, 6, 8) for power in (10, 1, 0.1))  # per cent
STEPS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)  # percentage points between ticks, where round errors are too few
ENOUGH_TICKS = 4
LEAST_MARGIN = 0.01  # of a decade of error, so that equal values, too, stand on an axis with ticks
LEAST_SHARE = 0.25  # of a common scale that every panel has to fill


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


def accuracy_axis(axes: Axes, seen: Range, *, points: float) -> None:
    """Accuracy in per cent, upwards, on a scale logarithmic in the error.

    Near 100 % a tenth of a point is much, and far below it little; a control that collapses would flatten
    everything else on a linear axis, or would have to be cut off.

    Args:
        axes: where.
        seen: least and greatest accuracy to be seen, fractions.
        points: about how high the axes are, in typographic points.
    """
    low, high = map(stretch, seen)
    margin = max(0.05 * (high - low), LEAST_MARGIN)
    low, high = low - margin, high + margin
    axes.set_yscale("function", functions=(_stretch, _squeeze))
    axes.set_ylim(*_squeeze(np.array([low, high])).tolist())
    axes.yaxis.set_major_locator(FixedLocator(_accuracy_ticks(low, high, gap=20 / points)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}"))


def common_ranges(ranges: Sequence[Range], place: Callable[[float], float]) -> list[Range]:
    """One range for all panels, so that heights compare; each its own where that would flatten one of them.

    Args:
        ranges: what each panel has to show.
        place: where on the axis a value stands.
    """
    union = min(low for low, _ in ranges), max(high for _, high in ranges)
    least = LEAST_SHARE * (place(union[1]) - place(union[0]))
    fits = all(place(high) - place(low) >= least for low, high in ranges)
    return [union] * len(ranges) if fits else list(ranges)


def spread(candidates: Iterable[float], place: Callable[[float], float], *, gap: float) -> list[float]:
    """Those candidates, in their order of preference, that lie at least `gap` from all chosen before."""
    chosen: list[float] = []
    for candidate in candidates:
        if all(abs(place(candidate) - place(other)) >= gap for other in chosen):
            chosen.append(candidate)
    return chosen


def stretch(accuracy: float) -> float:
    """Where an accuracy stands on its axis: the negative decimal logarithm of its error."""
    return float(_stretch(np.array(accuracy)))


def _accuracy_ticks(low: float, high: float, *, gap: float) -> list[float]:
    """Round errors where there are enough of them, else the widest even steps that are enough."""
    ticks: list[float] = []
    for errors in (ROUND_ERRORS, *(tuple(step * n for n in range(1, round(100 / step))) for step in STEPS)):
        inside = [value for value in (1 - error / 100 for error in errors) if low <= stretch(value) <= high]
        ticks = spread(inside, lambda value: stretch(value) / (high - low), gap=gap)
        if len(ticks) >= ENOUGH_TICKS:
            break
    return ticks


def _stretch(accuracy: np.ndarray) -> np.ndarray:
    return np.asarray(-np.log10(np.maximum(1 - np.asarray(accuracy), SMALLEST_ERROR)))


def _squeeze(place: np.ndarray) -> np.ndarray:
    return np.asarray(1 - 10.0 ** -np.asarray(place))
