"""How much two masks have in common, against what two independent masks of the same sizes would."""

import math
from dataclasses import dataclass

import numpy as np

DEVIATIONS = 2.0  # of the band around chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """The survivors of two masks of one tensor.

    Args:
        weights: how many the tensor has.
        first: survivors of the one mask.
        second: survivors of the other.
        both: survivors of both.
    """

    weights: int
    first: int
    second: int
    both: int

    @property
    def jaccard(self) -> float:
        """Survivors of both masks over those of at least one (the Jaccard index); nan where there are none."""
        return self._index(self.both)

    @property
    def chance(self) -> float:
        """The index at the expected number of common survivors, were one mask placed at random."""
        return self._index(self.expected)

    @property
    def band(self) -> tuple[float, float]:
        """The index at two standard deviations below and above that number; it rises with the number."""
        low, high = (self.expected + sign * DEVIATIONS * self.deviation for sign in (-1, 1))
        least, most = max(0, self.first + self.second - self.weights), min(self.first, self.second)
        return self._index(max(low, least)), self._index(min(high, most))

    @property
    def expected(self) -> float:
        """The mean of the hypergeometric distribution: a b / N."""
        return self.first * self.second / self.weights

    @property
    def deviation(self) -> float:
        """The standard deviation of the hypergeometric distribution: √(a b (N − a) (N − b) / (N² (N − 1)))."""
        n, a, b = self.weights, self.first, self.second
        return math.sqrt(a * b * (n - a) * (n - b) / (n * n * (n - 1))) if n > 1 else 0.0

    def _index(self, both: float) -> float:
        either = self.first + self.second - both
        return both / either if either else math.nan


def overlap(first: np.ndarray, second: np.ndarray) -> Overlap:
    """Count the survivors that two masks have in common.

    Args:
        first: bool, of any shape.
        second: bool, of the same shape.
    """
    # numpy counts bools some hundred times as fast as torch does.
    return Overlap(
        weights=first.size,
        first=int(np.count_nonzero(first)),
        second=int(np.count_nonzero(second)),
        both=int(np.count_nonzero(first & second)),
    )
