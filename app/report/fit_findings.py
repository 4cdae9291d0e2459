"""What trainings show, in sentences: computed from their rows, and claiming no more than these can."""

import math
from collections.abc import Sequence

from app.common.metrics import Metric, headline_metrics
from app.plotting.numbers import iteration, plural
from app.report.aggregate import aggregate
from app.report.findings import Findings
from app.report.fit_run import FitRun, TrainedNetwork
from app.report.metrics import validation_metrics
from app.report.operators import ACCURACY, operators_findings
from app.report.uf1_layers import layer_name, layers, uf1_of
from app.report.wording import capitalised, where_best
from app.runs.table import ITERATION, MetricsRow


def fit_findings(fit: FitRun) -> Findings:
    """The headline sentences of one experiment, under what they speak of: perplexity or loss, accuracies, UF1."""
    main, *others = validation_metrics(fit.metrics, fit.best_by)
    said = {main.title: _extreme_and_last(fit.trainings, main)}
    for metric in others:
        said[metric.title] = [_sentence([*_at_best(fit, metric), *_extreme(fit, metric)], fit)]
    for metric in _tested(fit):  # its best value would be chosen by the test set
        said[metric.title] = [_sentence(_at_best(fit, metric), fit)]
    for metric in layers(fit.metrics.values()):
        if parts := [*_at_best(fit, metric), *_extreme(fit, metric)]:
            first = f"{capitalised(layer_name(metric))}: {parts[0]}"
            said.setdefault(uf1_of(metric), []).append(_sentence([first, *parts[1:]], fit))
    if sentences := operators_findings(fit):
        said[ACCURACY.title] = [*said.get(ACCURACY.title, []), *sentences]
    return Findings(by_subject=said, basis=_basis(fit))


def _tested(fit: FitRun) -> list[Metric]:
    return headline_metrics(metric for metric in fit.metrics.values() if metric.name.startswith("test_"))


def _sentence(parts: Sequence[str], fit: FitRun) -> str:
    said = "; ".join(parts) or f"not measured where {where_best(fit.best_by, fit.monitor)}"
    return f"{capitalised(said)}."


def _extreme_and_last(trainings: Sequence[TrainedNetwork], metric: Metric) -> list[str]:
    """The best value of each seed and where it is, and the last."""
    choose = max if metric.better == "higher" else min
    word, change = ("Highest", "rising") if metric.better == "higher" else ("Least", "falling")
    measured = [[row for row in training.rows if not math.isnan(row[metric.name])] for training in trainings]
    best = [choose(rows, key=lambda row: row[metric.name]) for rows in measured]
    value, where = _write(best, metric), _iterations(best)
    if all(row is training.rows[-1] for row, training in zip(best, trainings, strict=True)):
        return [f"{word} {value}, at the last validation, {where}: it may not have stopped {change}."]
    ends = [training.rows[-1] for training in trainings]
    if any(math.isnan(row[metric.name]) for row in ends):
        return [f"{word} {value}, at {where}.", f"At the last validation, {_iterations(ends)}, not finite."]
    return [f"{word} {value}, at {where}.", f"At the last validation, {_iterations(ends)}: {_write(ends, metric)}."]


def _at_best(fit: FitRun, metric: Metric) -> list[str]:
    """Its value at the best validation; nothing where some seed has none there, or where it is what decides."""
    rows = [training.best for training in fit.trainings]
    if any(math.isnan(row.get(metric.name, math.nan)) for row in rows) or metric.name == fit.best_by.monitor:
        return []
    return [f"{_write(rows, metric)} where {where_best(fit.best_by, fit.monitor)}"]


def _extreme(fit: FitRun, metric: Metric) -> list[str]:
    """Its best value in each seed; nothing where some seed has none at all."""
    choose, word = (max, "highest") if metric.better == "higher" else (min, "least")
    measured = [
        [row for row in training.rows if not math.isnan(row.get(metric.name, math.nan))] for training in fit.trainings
    ]
    if not all(measured):
        return []
    tops = [choose(rows, key=lambda row: row[metric.name]) for rows in measured]
    return [f"{word} {_write(tops, metric)}, at {_iterations(tops)}"]


def _write(rows: Sequence[MetricsRow], metric: Metric) -> str:
    return aggregate([row[metric.name] for row in rows]).write(metric)


def _iterations(rows: Sequence[MetricsRow]) -> str:
    low, high = (iteration(choose(row[ITERATION] for row in rows)) for choose in (min, max))
    return f"iteration {low}" if low == high else f"iterations {low} to {high}"


def _basis(fit: FitRun) -> str:
    trainings = fit.trainings
    if len(trainings) == 1:
        return f"One {fit.noun}: any difference may be chance."
    said = f"Means over {len(trainings)} seeds, each at its own least or greatest; least to greatest in brackets."
    longest = max(len(training.rows) for training in trainings)
    behind = [
        f"seed {training.seed} ({plural(len(training.rows), 'validation')})"
        for training in trainings
        if len(training.rows) < longest
    ]
    return said + (f" Not as far as the others, which have {longest}: {', '.join(behind)}." if behind else "")
