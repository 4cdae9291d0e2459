"""Figures, and what they should be."""

import math
from dataclasses import dataclass

DASH = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should be.

    Args:
        limit: the last value that will do.
        at_least: whether more is better; less is where it is false.
    """

    limit: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether the value will do; nan does not."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


def three_digits(value: float) -> str:
    """A positive number with three digits that count, or all of them before the point: 0.0512, 5.12, 51.2, 5,120."""
    if not value or not math.isfinite(value):
        return f"{value:g}"
    decimals = 2 - math.floor(math.log10(abs(value)))
    return f"{value:,.{max(0, decimals)}f}"


def yes_or_no(met: bool) -> str:
    """Of a goal."""
    return "yes" if met else "no"
