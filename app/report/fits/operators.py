"""Accuracy by number of operators: what trainings on logical inference have measured where they were best."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.plotting.style import plural
from app.report.document import Picture
from app.report.fits.quantities import OPERATORS, fraction, where_best
from app.report.fits.reading import FitExperiment
from app.report.fits.series import Spread, spread_of
from app.report.tables import Table

BY_OPERATORS = "accuracy_by_operators"  # the figure
OPERATORS_NOTE = (
    "Number of operators: how many and, or, not there are in that formula of a pair that has more of them; 12+ stands "
    "for 12 or more. Majority: the accuracy of who always answers with the most frequent relation. Bars reach "
    "from the least to the greatest value of the seeds, each at its own best validation."
)
ANY_ACCURACY = fraction("accuracy", "Test accuracy")  # of some number of operators


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorPoint:
    """Pairs of one number of operators.

    Args:
        operators: how many.
        label: the same, with a plus where it stands for all that have more, too.
        accuracy: of the seeds, each at its best validation.
        majority: of who always answers with the most frequent relation.
    """

    operators: int
    label: str
    accuracy: Spread
    majority: float


def by_operators(experiment: FitExperiment) -> list[OperatorPoint]:
    """An experiment's accuracy by number of operators, ascending; none of one that measures no such thing."""
    columns = {column for fit in experiment.fits for column in fit.rows[0]}
    numbers = sorted({int(match[2]) for column in columns if (match := OPERATORS.fullmatch(column))})
    points = []
    for number in numbers:
        best = [fit.best for fit in experiment.fits]
        accuracies = _measured(best, f"accuracy_{number:02d}")
        majorities = _measured(best, f"majority_{number:02d}")
        if accuracies and majorities:
            points.append(
                OperatorPoint(
                    operators=number,
                    label=f"{number}+" if number == numbers[-1] else str(number),
                    accuracy=spread_of(accuracies),
                    majority=spread_of(majorities).mean,
                )
            )
    return points


def measure_operators(experiments: Sequence[FitExperiment]) -> bool:
    """Whether any experiment does."""
    return any(map(by_operators, experiments))


def _measured(rows: Iterable[dict[str, float]], column: str) -> list[float]:
    return [row[column] for row in rows if not math.isnan(row.get(column, math.nan))]


def trained_operators(experiments: Sequence[FitExperiment]) -> int | None:
    """The most operators that were trained on, as the configurations have it.

    None where they differ or do not say, or where a systematic split tests on what was held out of that.
    """
    data = [fit.config.get("data") or {} for experiment in experiments for fit in experiment.fits]
    options = [each.get("init_args") or {} for each in data]
    found = {None if each.get("systematic") else each.get("train_operators") for each in options}
    return found.pop() if len(found) == 1 else None


def operators_tables(experiment: FitExperiment) -> list[Table]:
    """One table, with a row per number of operators; none where there is no such measurement."""
    points = by_operators(experiment)
    rows: list[tuple[str, ...]] = [
        (
            point.label,
            point.accuracy.number(ANY_ACCURACY),
            ANY_ACCURACY.number(point.majority),
            str(point.accuracy.n),
        )
        for point in points
    ]
    header = ("Operators", "Accuracy", "Majority", "Seeds")
    caption = f"test accuracy by number of operators (%), where {where_best(experiment.best_by)}"
    return [Table(caption=caption, header=header, rows=rows)] if rows else []


def operators_findings(experiment: FitExperiment) -> list[str]:
    """The least accuracy within what was trained on, and beyond; nothing where no configuration says what that is."""
    trained, points = trained_operators([experiment]), by_operators(experiment)
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
                f"{whose}: {least.accuracy.write(ANY_ACCURACY)} or more, the least at {least.label}, where the "
                f"majority is {ANY_ACCURACY.write(least.majority)}."
            )
    return said


def operators_picture(experiments: Sequence[FitExperiment]) -> Picture:
    """The caption of the figure, and every point of every line as text."""
    said = []
    for experiment in experiments:
        if points := by_operators(experiment):
            places = [f"{each.accuracy.write(ANY_ACCURACY)} at {each.label}" for each in points]
            said.append(f"{experiment.name}: {', '.join(places)}.")
    return Picture(
        stem=BY_OPERATORS,
        caption="Test accuracy against the number of operators, at the best validation of each seed.",
        alt=f"Test accuracy by number of operators. {' '.join(said)}",
    )
