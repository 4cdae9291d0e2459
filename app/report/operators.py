"""Accuracy by number of operators: what trainings on logical inference have measured where they were best."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.common.metrics import Metric, accuracy
from app.plotting.data import Line, OperatorsFigure
from app.plotting.line_styles import experiment_style
from app.plotting.numbers import plural
from app.report.aggregate import Aggregate, aggregate
from app.report.document import Picture
from app.report.fit_figures import experiments_entries
from app.report.fit_run import FitRun
from app.report.tables import Table
from app.report.wording import where_best
from app.runs.table import MetricsRow

OPERATORS_FIGURE = "accuracy_by_operators"
OPERATORS_NOTE = (
    "Number of operators: how many and, or, not there are in that formula of a pair that has more of them; 12+ stands "
    "for 12 or more. Majority: the accuracy of always answering with the most frequent relation. Bars reach from the "
    "least to the greatest value of the seeds, each at its own best validation."
)
ACCURACY = accuracy("accuracy", "Test accuracy")  # at some number of operators
_COLUMN = re.compile(r"(accuracy|majority)_(\d{2,})")  # of test pairs with so many operators


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorPoint:
    """Pairs of one number of operators.

    Args:
        operators: how many.
        label: the same, with a plus where it stands for all that have more, too.
        accuracy: of the seeds, each at its best validation.
        majority: accuracy of always answering with the most frequent relation.
    """

    operators: int
    label: str
    accuracy: Aggregate
    majority: float


def is_by_operators(metric: Metric) -> bool:
    """Whether a metric is an accuracy, or the majority, at one number of operators."""
    return _COLUMN.fullmatch(metric.name) is not None


def by_operators(fit: FitRun) -> list[OperatorPoint]:
    """An experiment's accuracy by number of operators, ascending; none of one that measures no such thing."""
    columns = {column for training in fit.trainings for column in training.rows[0]}
    numbers = sorted({int(match[2]) for column in columns if (match := _COLUMN.fullmatch(column))})
    points = []
    for number in numbers:
        best = [training.best for training in fit.trainings]
        accuracies = _measured(best, f"accuracy_{number:02d}")
        majorities = _measured(best, f"majority_{number:02d}")
        if accuracies and majorities:
            points.append(
                OperatorPoint(
                    operators=number,
                    label=f"{number}+" if number == numbers[-1] else str(number),
                    accuracy=aggregate(accuracies),
                    majority=aggregate(majorities).mean,
                )
            )
    return points


def trained_operators(fits: Sequence[FitRun]) -> int | None:
    """The most operators that were trained on, as the configurations have it.

    None where they differ or do not say, or where a systematic split tests on what was held out of that.
    """
    data = [training.config.get("data") or {} for fit in fits for training in fit.trainings]
    options = [each.get("init_args") or {} for each in data]
    found = {None if each.get("systematic") else each.get("train_operators") for each in options}
    return found.pop() if len(found) == 1 else None


def operators_tables(fit: FitRun) -> list[Table]:
    """One table, with a row per number of operators; none where there is no such measurement."""
    points = by_operators(fit)
    rows: list[tuple[str, ...]] = [
        (point.label, point.accuracy.number(ACCURACY), ACCURACY.number(point.majority), str(point.accuracy.n))
        for point in points
    ]
    header = ("Operators", "Accuracy", "Majority", f"{fit.noun.capitalize()}s")
    caption = f"test accuracy by number of operators (%), where {where_best(fit.best_by, fit.monitor)}"
    return [Table(caption=caption, header=header, rows=rows)] if rows else []


def operators_findings(fit: FitRun) -> list[str]:
    """The least accuracy within what was trained on, and beyond; nothing where no configuration says what that is."""
    trained, points = trained_operators([fit]), by_operators(fit)
    if trained is None:
        return []
    said = []
    for whose, some in (
        (f"Up to {plural(trained, 'operator')}, as trained on", [each for each in points if each.operators <= trained]),
        (f"With more than {trained}", [each for each in points if each.operators > trained]),
    ):
        if some:
            least = min(some, key=lambda each: each.accuracy.mean)
            said.append(
                f"{whose}: {least.accuracy.write(ACCURACY)} or more, the least at {least.label}, where the "
                f"majority is {ACCURACY.write(least.majority)}."
            )
    return said


def operators_pictures(fits: Sequence[FitRun]) -> list[Picture]:
    """The figure, with every point of every line as text; none where no experiment measures it."""
    lines = {rank: points for rank, fit in enumerate(fits) if (points := by_operators(fit))}
    if not lines:
        return []
    said = []
    for rank, points in lines.items():
        places = [f"{each.accuracy.write(ACCURACY)} at {each.label}" for each in points]
        said.append(f"{fits[rank].name}: {', '.join(places)}.")
    # Experiments on the same data have the same baseline, up to the rounding of means over seeds.
    baselines = dict.fromkeys(
        tuple((point.operators, round(point.majority, 6)) for point in points) for points in lines.values()
    )
    figure = OperatorsFigure(
        lines=[
            Line(line_style=experiment_style(rank), marks=[point.accuracy.mark(point.operators) for point in points])
            for rank, points in lines.items()
        ],
        metric=ACCURACY,
        baselines=list(baselines),
        ticks={point.operators: point.label for points in lines.values() for point in points},
        trained=trained_operators(fits),
        legend=experiments_entries(fits, lines),
    )
    return [
        Picture(
            stem=OPERATORS_FIGURE,
            caption="Test accuracy against the number of operators, at the best validation of each seed.",
            alt=f"Test accuracy by number of operators. {' '.join(said)}",
            source=figure,
        )
    ]


def _measured(rows: Iterable[MetricsRow], column: str) -> list[float]:
    return [row[column] for row in rows if not math.isnan(row.get(column, math.nan))]
