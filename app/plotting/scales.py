"""Vertical axes by what a metric asks for: linear, logarithmic, or logarithmic in the error."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log, log10

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from app.common.metrics import Metric
from app.plotting.data import Mark

Range = tuple[float, float]

SMALLEST_ERROR = 1e-5  # of the whole range: the greatest value has a place on the axis, too
ROUND_DIGITS = (1, 5, 2, 3, 1.5, 4, 7, 6, 8)  # of round numbers, the roundest first
ROUND_ERRORS = tuple(digit * power for digit in ROUND_DIGITS for power in (10, 1, 0.1))  # per cent of the range
ERROR_STEPS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)  # per cent between ticks, where round errors are too few
LOG_STEPS = (1, 0.5, 0.2, 0.1)  # of the power of ten in a range, where round numbers are too few
ENOUGH_TICKS = 4
TICK_GAP = 20  # points between ticks
LEAST_ERROR_MARGIN = 0.01  # of a decade of error, so that equal values, too, stand on an axis with ticks
MARGIN = 0.06  # of the frame, above and below
LEAST_MARGIN = 0.005  # of a value, so that equal ones, too, stand on an axis with ticks
LEAST_SHARE = 0.25  # of a common scale that every panel has to fill
EARLY = 0.1  # of the training: what comes before may run in from beyond the frame


@dataclass(frozen=True, slots=True)
class ErrorScale:
    """A scale that is logarithmic in the distance from the greatest value.

    Near 100 % a tenth of a point of accuracy is much, and far below it little; a network that collapses would flatten
    everything else on a linear axis, or would have to be cut off.

    Args:
        greatest: value of a metric.
        size: of its whole range: errors are fractions of it.
    """

    greatest: float = 1.0
    size: float = 1.0

    @classmethod
    def of(cls, metric: Metric) -> "ErrorScale":
        """The scale of a metric with a finite greatest value; without a least one, an error of 1 is the whole."""
        return cls(metric.greatest, metric.greatest - metric.least if isfinite(metric.least) else 1.0)

    def place(self, value: float) -> float:
        """Where a value stands: the negative decimal logarithm of its error."""
        return float(self.stretch(np.array(value)))

    def stretch(self, values: np.ndarray) -> np.ndarray:
        """Values to places."""
        errors = (self.greatest - np.asarray(values)) / self.size
        return np.asarray(-np.log10(np.maximum(errors, SMALLEST_ERROR)))

    def squeeze(self, places: np.ndarray) -> np.ndarray:
        """The inverse of `stretch`."""
        return np.asarray(self.greatest - self.size * 10.0 ** -np.asarray(places))


def value_axis(axes: Axes, metric: Metric, seen: Range, *, points: float) -> None:
    """The vertical axis of a metric.

    Args:
        axes: where.
        metric: what is on the axis; its values are written as it says.
        seen: least and greatest value to be seen.
        points: about how high the axes are, in typographic points.
    """
    if _axis(metric) == "error":
        error_axis(axes, metric, seen, points=points)
    elif _axis(metric) == "log" and seen[0] > 0:
        log_axis(axes, metric, seen, points=points)
    else:
        low, high = seen
        margin = max(MARGIN * (high - low), LEAST_MARGIN * abs(high)) or 1.0
        axes.set_ylim(low - margin, high + margin)
        if metric.scale != 1:
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{metric.scale * value:,.6g}"))


def error_axis(axes: Axes, metric: Metric, seen: Range, *, points: float) -> None:
    """Values upwards on a scale that is logarithmic in the error; arguments as for `value_axis`."""
    scale = ErrorScale.of(metric)
    low, high = map(scale.place, seen)
    margin = max(0.05 * (high - low), LEAST_ERROR_MARGIN)
    low, high = low - margin, high + margin
    axes.set_yscale("function", functions=(scale.stretch, scale.squeeze))
    axes.set_ylim(*scale.squeeze(np.array([low, high])).tolist())
    # Round errors where there are enough of them, else the widest even steps that are enough.
    errors = [ROUND_ERRORS, *([step * n for n in range(1, round(100 / step))] for step in ERROR_STEPS)]
    ticks = _ticks(
        ([scale.greatest - scale.size * error / 100 for error in some] for some in errors),
        scale.place,
        (low, high),
        gap=TICK_GAP / points,
    )
    _fix_ticks(axes, ticks, lambda value, _: f"{metric.scale * value:.4g}")


def log_axis(axes: Axes, metric: Metric, seen: Range, *, points: float) -> None:
    """Values on a logarithmic scale, such as a perplexity, whose logarithm is minimised; as `value_axis`."""
    low, high = seen
    margin = max((high / low) ** MARGIN, 1 + LEAST_MARGIN)
    low, high = low / margin, high * margin
    powers = range(floor(log10(low)), ceil(log10(high)))
    steps = [step * 10.0 ** floor(log10(high - low)) for step in LOG_STEPS]
    candidates = [
        [digit * 10.0**power for digit in ROUND_DIGITS for power in powers],
        *([step * n for n in range(int(low / step), int(high / step) + 2)] for step in steps),
    ]
    inside = ([value for value in some if low <= value <= high] for some in candidates)
    ticks = _ticks(inside, log, (log(low), log(high)), gap=TICK_GAP / points)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    _fix_ticks(axes, ticks, lambda value, _: f"{metric.scale * value:,.6g}")


def frame(lines: Iterable[Sequence[Mark]], metric: Metric) -> Range:
    """Least and greatest value to be seen of lines over iterations.

    A steep beginning would flatten all that follows, so it may run in from beyond the frame; a metric on a linear axis
    with a finite range has none.

    Args:
        lines: at least one, with a point each.
        metric: of the values.
    """
    lines = list(lines)
    everything = [mark for marks in lines for mark in marks]
    if _axis(metric) == "linear" and isfinite(metric.least) and isfinite(metric.greatest):
        shown = everything
    else:
        shown = [mark for marks in lines for mark in marks if mark.x >= EARLY * marks[-1].x]
    low, high = min(mark.low for mark in shown), max(mark.high for mark in shown)
    if metric.better == "higher":
        high = max(mark.high for mark in everything)
    elif metric.better == "lower":
        low = min(mark.low for mark in everything)
    return low, high


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


def placing(metric: Metric, ranges: Sequence[Range]) -> Callable[[float], float]:
    """Where on the axis of a metric a value stands, for `common_ranges`."""
    if _axis(metric) == "error":
        return ErrorScale.of(metric).place
    return log if _axis(metric) == "log" and all(low > 0 for low, _ in ranges) else float


def spread(candidates: Iterable[float], place: Callable[[float], float], *, gap: float) -> list[float]:
    """Those candidates, in their order of preference, that lie at least `gap` from all chosen before."""
    chosen: list[float] = []
    for candidate in candidates:
        if all(abs(place(candidate) - place(other)) >= gap for other in chosen):
            chosen.append(candidate)
    return chosen


def _axis(metric: Metric) -> str:
    """How a metric is scaled; an error needs a greatest value to be the distance from."""
    return "linear" if metric.axis == "error" and not isfinite(metric.greatest) else metric.axis


def _ticks(
    candidates: Iterable[Sequence[float]], place: Callable[[float], float], ends: Range, *, gap: float
) -> list[float]:
    """Ticks from the first candidates that give enough of them, else from the last.

    Args:
        candidates: values, several lists of them.
        place: where on the axis a value stands.
        ends: places of the ends of the axis.
        gap: least distance between ticks, as a share of the axis.
    """
    ticks: list[float] = []
    for some in candidates:
        inside = [value for value in some if ends[0] <= place(value) <= ends[1]]
        ticks = spread(inside, lambda value: place(value) / (ends[1] - ends[0]), gap=gap)
        if len(ticks) >= ENOUGH_TICKS:
            break
    return ticks


def _fix_ticks(axes: Axes, ticks: Sequence[float], write: Callable[[float, float], str]) -> None:
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(write))
