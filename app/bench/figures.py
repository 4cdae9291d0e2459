"""Measured numbers: their goals, and how they are written."""

import math
from dataclasses import dataclass

DASH = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Goal:
    """The goal for a measured number.

    Args:
        limit: the worst value that meets the goal.
        at_least: whether the number must be at least the limit; otherwise at most.
    """

    limit: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether the value meets the goal; nan does not."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


def three_digits(value: float) -> str:
    """A number with three significant digits, and with all digits before the point: 0.0512, 5.12, 51.2, 5,120."""
    if not value or not math.isfinite(value):
        return f"{value:g}"
    decimals = 2 - math.floor(math.log10(abs(value)))
    return f"{value:,.{max(0, decimals)}f}"


def yes_or_no(met: bool) -> str:
    """Whether a goal is met, in a word."""
    return "yes" if met else "no"
