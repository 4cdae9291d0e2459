"""Paired differences over replicates, with 95 % intervals by Student's t distribution."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import fsum, sqrt

CONFIDENCE = 0.95
ROUNDING = 1e-12  # of the largest difference: a spread that is no more comes from the rounding of sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The mean of paired differences.

    Args:
        mean: over the pairs.
        half: half of the length of the 95 % interval around it; nan where there is none: of a single pair, and of
            pairs that all differ by the same amount, as on a coarse grid, whose spread is not known. 0 where several
            pairs do not differ at all.
        n: how many pairs.
    """

    mean: float
    half: float
    n: int

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.half)

    @property
    def low(self) -> float:
        """The lower end of the interval; nan where there is none."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """The upper end of the interval; nan where there is none."""
        return self.mean + self.half

    @property
    def sign(self) -> int:
        """1 if the interval lies above 0, −1 if it lies below, 0 if it holds 0 or there is none."""
        return int(self.low > 0) - int(self.high < 0)


def paired_difference(values: Mapping[int, float], base: Mapping[int, float]) -> Difference | None:
    """The difference between two quantities that were measured on the same replicates.

    The interval is mean ± t s / √n: s is the standard deviation of the n differences (n − 1 in its denominator), t the
    97.5 % quantile of Student's distribution with n − 1 degrees of freedom. It assumes that differences are independent
    and about normal; with two replicates t is 12.7, so that hardly any interval leaves out 0.

    Args:
        values: by replicate; where a replicate has several networks, their mean.
        base: what is subtracted, by replicate; replicates that only one of both has are left out.

    Returns:
        None where they share no replicate.
    """
    differences = [value - base[replicate] for replicate, value in values.items() if replicate in base]
    n = len(differences)
    if n == 0:
        return None
    mean = fsum(differences) / n
    spread = sqrt(fsum((each - mean) ** 2 for each in differences) / (n - 1)) if n > 1 else 0.0
    largest = max(map(abs, differences))
    if n > 1 and spread > ROUNDING * largest:
        return Difference(mean=mean, half=t_quantile(n - 1) * spread / sqrt(n), n=n)
    return Difference(mean=mean, half=0.0 if n > 1 and largest == 0 else math.nan, n=n)


def paired_ratio(values: Mapping[int, float], base: Mapping[int, float]) -> Difference | None:
    """The difference of logarithms: `exp` of its mean is the geometric mean of the ratios; arguments as above.

    Returns:
        None where they share no replicate, or a value is not positive.
    """
    shared = values.keys() & base.keys()
    if any(each[replicate] <= 0 for each in (values, base) for replicate in shared):
        return None
    logarithms = [{replicate: math.log(each[replicate]) for replicate in sorted(shared)} for each in (values, base)]
    return paired_difference(*logarithms)


@cache
def t_quantile(degrees: int) -> float:
    """The quantile of Student's t distribution that an interval of 95 % reaches to on either side.

    Args:
        degrees: of freedom, at least 1.
    """
    # Imported late: every command that trains imports the report for its tables.
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + CONFIDENCE) / 2))
