"""Rows of several trainings to one line: mean, least and greatest value by validation."""

import math
from dataclasses import dataclass
from math import fsum

from app.report.aggregate import Aggregate, aggregate
from app.report.fit_run import FitRun
from app.runs.table import ITERATION


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
    value: Aggregate


def fit_line(fit: FitRun, column: str) -> list[FitPoint]:
    """One value of an experiment over its validations; those at which no seed measured it are passed over.

    Args:
        fit: of one or more seeds.
        column: of metrics.csv.
    """
    points = []
    for index in range(max(len(training.rows) for training in fit.trainings)):
        rows = [training.rows[index] for training in fit.trainings if index < len(training.rows)]
        measured = [row for row in rows if not math.isnan(row.get(column, math.nan))]
        if measured:
            points.append(
                FitPoint(
                    number=index + fit.trainings[0].first,
                    iteration=fsum(row[ITERATION] for row in measured) / len(measured),
                    value=aggregate([row[column] for row in measured]),
                )
            )
    return points
