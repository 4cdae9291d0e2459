"""The difference of a metric between two kinds of networks: written, and what its interval allows to claim."""

import math
from dataclasses import dataclass, replace

from app.common.metrics import Metric
from app.plotting.numbers import signed
from app.report.metrics import EARLY_STOP_ITERATION
from app.report.statistics import Difference

UNSEEN = "no difference seen"
BOUNDED = "not known, as a lower bound is compared"
NUMBERS = ("difference", "low", "high", "ratio", "ratio_low", "ratio_high")  # columns of comparisons.csv


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDifference:
    """A metric of some networks less that of others, over replicates or seeds.

    Args:
        metric: of what is compared.
        difference: over the replicates that both have, networks of one replicate averaged first.
        ratio: the same of the logarithms; None where a value is not positive.
        bounded: whether values of the first are only lower bounds.
        base_bounded: whether values of the others are.
    """

    metric: Metric
    difference: Difference
    ratio: Difference | None
    bounded: bool = False
    base_bounded: bool = False

    @property
    def shown(self) -> Difference:
        """What is written: the difference, or that of logarithms where the metric has a logarithmic axis."""
        return self.ratio if self.metric.axis == "log" and self.ratio is not None else self.difference

    @property
    def verdict(self) -> str:
        """What the interval allows to claim; empty where there is no interval."""
        if not self.shown.has_interval:
            return ""
        sign = self.shown.sign
        if sign == 0:
            return UNSEEN
        if (sign < 0 and self.bounded) or (sign > 0 and self.base_bounded):
            return BOUNDED  # a longer training could turn it
        return _claims(self.metric)[sign > 0]

    @property
    def interval(self) -> str:
        """The ends of the interval, as "+0.14 to +0.66"; empty where there is none."""
        ends = (self.shown.low, self.shown.high)
        return " to ".join(map(self._number, ends)) if self.shown.has_interval else ""

    @property
    def cell(self) -> str:
        """For a table: "+0.40 (+0.14 to +0.66) better"."""
        said = self._number(self.shown.mean)
        return f"{said} ({self.interval}) {self.verdict}" if self.interval else said

    @property
    def written(self) -> str:
        """For a sentence: "+0.40 pp, 95 % interval +0.14 to +0.66"."""
        said = f"{self._number(self.shown.mean)} {self.unit}".rstrip()
        if self.interval:
            return f"{said}, 95 % interval {self.interval}"
        return f"{said} each time, so no interval" if self.shown.n > 1 else said

    @property
    def unit(self) -> str:
        """Of the written difference: "pp" for a metric in per cent, "%" for a ratio."""
        return "%" if self.shown is self.ratio else "pp" if self.metric.unit == "%" else self.metric.unit

    @property
    def numbers(self) -> list[str]:
        """For a table of numbers: difference, ratio and the ends of their intervals, empty where there is none."""
        each, ratio = self.difference, self.ratio
        found = [each.mean, each.low, each.high]
        found += [math.nan] * 3 if ratio is None else [math.exp(value) for value in (ratio.mean, ratio.low, ratio.high)]
        return ["" if math.isnan(number) else repr(number) for number in found]

    def _number(self, value: float) -> str:
        if self.shown is self.ratio:
            return signed(100 * math.expm1(value), 1)
        return signed(self.metric.scale * value, self.metric.decimals)


def as_difference(metric: Metric) -> Metric:
    """The metric of paired differences: in points of per cent, in per cent on a logarithmic axis, else in its unit."""
    ratio = metric.axis == "log"
    return replace(
        metric,
        name=f"{metric.name}_difference",
        label=f"{metric.title}, difference from dense",
        unit="%" if ratio else "pp" if metric.unit == "%" else metric.unit,
        scale=1.0 if ratio else metric.scale,
        decimals=1 if ratio else metric.decimals,
        least=-math.inf,
        greatest=math.inf,
        axis="linear",
    )


def _claims(metric: Metric) -> tuple[str, str]:
    """What is said of an interval below 0, and of one above."""
    if metric.name == EARLY_STOP_ITERATION.name:
        return "faster", "slower"
    if metric.better == "neither":
        return "lower", "higher"
    return ("worse", "better") if metric.better == "higher" else ("better", "worse")
