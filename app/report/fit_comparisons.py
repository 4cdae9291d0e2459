"""Experiments of `fit` beside the first of them: paired differences over the seeds that both have."""

import csv
import io
from collections.abc import Sequence
from math import fsum, isfinite, nan

from app.common.metrics import Metric, headline_metrics
from app.plotting.numbers import plural
from app.report.differences import NUMBERS, MetricDifference
from app.report.fit_run import FitRun
from app.report.metrics import validation_metrics
from app.report.statistics import paired_difference, paired_ratio
from app.report.verdicts import claimed
from app.report.wording import where_best

HEADER = ("experiment", "metric", "against", "seeds", *NUMBERS, "verdict")


def compare_fits(fit: FitRun, first: FitRun) -> list[MetricDifference]:
    """The metrics that both have measured, each at the best validation of every seed.

    Args:
        fit: an experiment.
        first: the one that it is compared with.
    """
    found = []
    for metric in _compared(fit):
        values, base = at_best(fit, metric), at_best(first, metric)
        difference = paired_difference(values, base)
        if difference is not None:
            ratio = paired_ratio(values, base)
            found.append(MetricDifference(metric=metric, difference=difference, ratio=ratio))
    return found


def at_best(fit: FitRun, metric: Metric) -> dict[int, float]:
    """A metric at the best validation, by seed; without seeds that have no finite value there."""
    found = {training.seed: training.best.get(metric.name, nan) for training in fit.trainings}
    return {seed: value for seed, value in found.items() if isfinite(value)}


def fit_comparison(fit: FitRun, first: FitRun) -> list[str]:
    """An experiment beside the first, in sentences; nothing for networks of lotteries, which have no seed in common."""
    if "network" in (fit.noun, first.noun):
        return []
    compared = compare_fits(fit, first)
    if not compared:
        return [f"No seed in common with {first.name}: not compared."]
    said = []
    for each in compared:
        values, base = at_best(fit, each.metric), at_best(first, each.metric)
        shared = sorted(values.keys() & base.keys())
        ours, theirs = (fsum(some[seed] for seed in shared) / len(shared) for some in (values, base))
        said.append(
            f"{each.metric.title} where {where_best(fit.best_by, fit.monitor)}: {each.metric.write(ours)} against "
            f"{each.metric.write(theirs)} over {plural(len(shared), 'seed')} ({each.written}{claimed(each)})."
        )
    return said


def fit_comparisons(fits: Sequence[FitRun]) -> dict[str, str]:
    """comparisons.csv: every experiment beside every one before it; low and high are the ends of 95 % intervals.

    Returns:
        The text by the name of the file; nothing where no experiments have a seed in common.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    rows = [
        (fit.name, each.metric.name, other.name, each.difference.n, *each.numbers, each.verdict)
        for place, fit in enumerate(fits)
        for other in fits[:place]
        if "network" not in (fit.noun, other.noun)
        for each in compare_fits(fit, other)
    ]
    writer.writerows([HEADER, *rows])
    return {"comparisons.csv": text.getvalue()} if rows else {}


def _compared(fit: FitRun) -> list[Metric]:
    tested = headline_metrics(metric for metric in fit.metrics.values() if metric.name.startswith("test_"))
    return [*validation_metrics(fit.metrics, fit.best_by), *tested]
