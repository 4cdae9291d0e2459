"""Colour, line and marker of everything that figures compare, chosen by position."""

from dataclasses import dataclass
from typing import Any

# Okabe and Ito's palette, which colour-blind readers can tell apart.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
BLACK = "#000000"


@dataclass(frozen=True, slots=True)
class LineStyle:
    """How a line is drawn.

    Args:
        colour: as matplotlib takes it.
        line: matplotlib's dash pattern.
        marker: matplotlib's marker.
    """

    colour: str
    line: Any
    marker: str


DENSE_STYLE = LineStyle(BLACK, "-", "D")
# Tickets have longer dashes than controls.
TICKET_LOOKS = (
    LineStyle("#0072B2", "-", "o"),
    LineStyle("#009E73", (0, (7, 1.5, 1.5, 1.5)), "s"),
    LineStyle("#E69F00", (0, (9, 1.5)), "P"),
    LineStyle("#56B4E9", (0, (7, 1.5, 1.5, 1.5, 1.5, 1.5)), "X"),
    LineStyle("#332288", "-", "*"),
    LineStyle("#882255", (0, (9, 1.5)), "p"),
    LineStyle("#44AA99", "-", "h"),
    LineStyle("#999933", (0, (7, 1.5, 1.5, 1.5)), "d"),
    LineStyle("#CC6677", "-", "8"),
    LineStyle("#117733", (0, (9, 1.5)), "o"),
    LineStyle("#AA4499", (0, (7, 1.5, 1.5, 1.5, 1.5, 1.5)), "s"),
    LineStyle("#A0522D", "-", "P"),
)
CONTROL_LOOKS = (
    LineStyle("#D55E00", (0, (4, 2)), "^"),
    LineStyle("#CC79A7", (0, (1.2, 1.4)), "v"),
    LineStyle("#8C6D31", (0, (3, 1.2, 1.2, 1.2)), "<"),
    LineStyle("#7F7F7F", (0, (2.2, 2.2)), ">"),
    LineStyle("#6A5ACD", (0, (4, 2)), "<"),
    LineStyle("#2F7F7F", (0, (1.2, 1.4)), ">"),
    LineStyle("#B8336A", (0, (3, 1.2, 1.2, 1.2)), "^"),
    LineStyle("#6B8E23", (0, (2.2, 2.2)), "v"),
    LineStyle("#B8860B", (0, (4, 2)), "v"),
    LineStyle("#4B4B4B", (0, (1.2, 1.4)), "^"),
    LineStyle("#C71585", (0, (3, 1.2, 1.2, 1.2)), ">"),
    LineStyle("#20639B", (0, (2.2, 2.2)), "<"),
)
# Of experiments: the lengths have no common factor, so that no two of the first 140 look the same.
_COLOURS = (*PALETTE, BLACK)
_DASHES: tuple[Any, ...] = ("-", (0, (4, 2)), (0, (7, 1.5, 1.5, 1.5)), (0, (1.2, 1.4)))
_MARKERS = ("o", "^", "s", "v", "D")


def ticket_style(rank: int) -> LineStyle:
    """The line style of a pruning method by its place among the pruning methods, from 0."""
    return TICKET_LOOKS[rank % len(TICKET_LOOKS)]


def control_style(rank: int) -> LineStyle:
    """The line style of a control by its place among the controls, from 0."""
    return CONTROL_LOOKS[rank % len(CONTROL_LOOKS)]


def experiment_style(rank: int) -> LineStyle:
    """The line style of an experiment by its place among all that are reported on, from 0."""
    return LineStyle(_COLOURS[rank % len(_COLOURS)], _DASHES[rank % len(_DASHES)], _MARKERS[rank % len(_MARKERS)])
