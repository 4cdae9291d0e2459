"""A value over several networks: mean, least and greatest."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

from app.common.metrics import Metric
from app.plotting.data import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """A value over several networks: its mean, the least, the greatest, and how many networks."""

    mean: float
    low: float
    high: float
    n: int

    def write(self, metric: Metric) -> str:
        """With its unit: 54.5 %, or 54.5 (53.9–55.2) % where there are several."""
        return f"{self.number(metric)} {metric.unit}".rstrip()

    def number(self, metric: Metric) -> str:
        """The same without the unit."""
        mean, low, high = (metric.number(value) for value in (self.mean, self.low, self.high))
        return f"{mean} ({low}\N{EN DASH}{high})" if self.n > 1 else mean

    def mark(self, x: float) -> Mark:
        """The point of a figure at some place on the horizontal axis."""
        return Mark(x=x, mean=self.mean, low=self.low, high=self.high, n=self.n)


def aggregate(values: Sequence[float]) -> Aggregate:
    """What some values have in common, at least one."""
    return Aggregate(mean=fsum(values) / len(values), low=min(values), high=max(values), n=len(values))
