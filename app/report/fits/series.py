"""Rows of several seeds to one line: mean, least and greatest value by validation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import fsum

from app.report.fits.quantities import Quantity
from app.report.fits.reading import FitExperiment


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A value of several trainings: its mean, the least, the greatest, and of how many."""

    mean: float
    low: float
    high: float
    n: int

    def write(self, quantity: Quantity) -> str:
        """With its unit: 54.5 %, or 54.5 (53.9–55.2) % where there are several."""
        return self.number(quantity) + quantity.unit

    def number(self, quantity: Quantity) -> str:
        """The same without the unit."""
        mean, low, high = (quantity.number(value) for value in (self.mean, self.low, self.high))
        return f"{mean} ({low}\N{EN DASH}{high})" if self.n > 1 else mean


@dataclass(frozen=True, slots=True, kw_only=True)
class FitPoint:
    """One validation.

    Args:
        number: which, from 1; 0 for one before any training.
        iteration: mean over those seeds that measured the value; epochs of random windows hardly differ in length.
        value: what they measured.
    """

    number: int
    iteration: float
    value: Spread


def spread_of(values: Sequence[float]) -> Spread:
    """What some values have in common, at least one."""
    return Spread(mean=fsum(values) / len(values), low=min(values), high=max(values), n=len(values))


def fit_line(experiment: FitExperiment, column: str) -> list[FitPoint]:
    """One value of an experiment over its validations; those at which no seed measured it are passed over.

    Args:
        experiment: of one or more seeds.
        column: of metrics.csv.
    """
    points = []
    for index in range(max(len(fit.rows) for fit in experiment.fits)):
        rows = [fit.rows[index] for fit in experiment.fits if index < len(fit.rows)]
        measured = [row for row in rows if not math.isnan(row.get(column, math.nan))]
        if measured:
            points.append(
                FitPoint(
                    number=index + experiment.fits[0].first,
                    iteration=fsum(row["iteration"] for row in measured) / len(measured),
                    value=spread_of([row[column] for row in measured]),
                )
            )
    return points


def complete(points: Sequence[FitPoint]) -> list[FitPoint]:
    """The beginning of a line, as far as all seeds have got that are in its first point."""
    return list(takewhile(lambda point: point.value.n == points[0].value.n, points))
