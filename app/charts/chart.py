"""What a chart is made of, before it is JSON in a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Spec = dict[str, Any]
Columns = Mapping[str, Sequence[Any]]  # a table by column: all are of one length
ROWS = "rows"  # name of the data of every specification

# Columns by which the page filters rows; a table has those that make sense for it. A value of None is never left out.
EXPERIMENT, METHOD, REPLICATE, DENSITY, SHOWN = "experiment", "method", "replicate", "density", "shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One drawing of a chart.

    Args:
        title: above it; empty for none.
        spec: in Vega-Lite, without data.
        where: the rows that it shows: the values that a column may have, by column; None for any.
        subject: the method that it is about, without which it is not shown; None where it is about several.
    """

    title: str
    spec: Spec
    where: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Drawings of one table.

    Args:
        panels: at least one.
        rows: the table. The page filters it by `EXPERIMENT`, `METHOD`, `REPLICATE`, `DENSITY` (a share of 1) and
            `SHOWN` (whether a row is among the few that are shown at first), where it has such a column.
        lists: columns with lists of numbers, of which each row has the number here.
    """

    panels: Sequence[Panel]
    rows: Columns
    lists: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows of one kind as a table by column, which is shorter as JSON."""
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
