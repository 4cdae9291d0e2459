"""Colours of what has an order, such as rounds or layers: dark to light, an order that survives without colour."""

from collections.abc import Sequence
from typing import Any

import matplotlib

from app.plotting.line_styles import BLACK


def shades(count: int, first: float = 0.12, last: float = 0.8) -> list[Any]:
    """So many colours, from dark violet to light green.

    Args:
        count: at least 0.
        first: place of the first in matplotlib's viridis, 0 to 1.
        last: place of the last.
    """
    colours = matplotlib.colormaps["viridis"]
    return [colours(first + (last - first) * index / max(1, count - 1)) for index in range(count)]


def round_colours(rounds: Sequence[int]) -> dict[int, Any]:
    """The colour of each round, black for the dense network."""
    pruned = [round_ for round_ in rounds if round_ > 0]
    return {0: BLACK} | dict(zip(pruned, shades(len(pruned)), strict=True))
