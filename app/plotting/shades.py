"""Colours of what has an order, such as rounds or layers: dark to light, an order that survives without colour."""

from collections.abc import Sequence
from typing import Any

import matplotlib

from app.plotting.line_styles import BLACK


def shades(count: int) -> list[Any]:
    """So many colours, from dark violet to light green."""
    colours = matplotlib.colormaps["viridis"]
    return [colours(0.12 + 0.68 * index / max(1, count - 1)) for index in range(count)]


def round_colours(rounds: Sequence[int]) -> dict[int, Any]:
    """The colour of each round, black for the dense network."""
    pruned = [round_ for round_ in rounds if round_ > 0]
    return {0: BLACK} | dict(zip(pruned, shades(len(pruned)), strict=True))
