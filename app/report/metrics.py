"""Which of the metrics that networks measured a report shows."""

from collections.abc import Iterable
from dataclasses import replace

from app.common.metrics import Metric, Schema
from app.runs.best_validation import BestValidation
from app.runs.table import EARLY_STOP, FINAL

EARLY_STOP_ITERATION = Metric(
    name=f"{EARLY_STOP}iteration", label="Early-stop iteration", better="lower", decimals=0, least=0.0
)
WHEN = {EARLY_STOP: "at early stop", FINAL: "at the end of training"}


def lottery_columns(metrics: Iterable[Metric]) -> list[Metric]:
    """The columns of results.csv that a lottery's report shows, each as a metric of the column's name.

    Args:
        metrics: the headline metrics.
    """
    metrics = list(metrics)
    return [EARLY_STOP_ITERATION, *(column(metric, prefix) for prefix in WHEN for metric in metrics)]


def column(metric: Metric, prefix: str) -> Metric:
    """A metric at early stop, or at the end of training.

    Args:
        metric: which.
        prefix: of the column of results.csv.
    """
    return replace(metric, name=f"{prefix}{metric.name}", label=f"{metric.title} {WHEN[prefix]}")


def result_metrics(columns: Iterable[str]) -> list[str]:
    """The metrics that results.csv has at early stop and at the end of training.

    Args:
        columns: of its values; in files of old there are metrics with one of both.
    """
    there = dict.fromkeys(columns)
    early = [name.removeprefix(EARLY_STOP) for name in there if name.startswith(EARLY_STOP)]
    return [name for name in early if f"{FINAL}{name}" in there]


def main_metric(metrics: Schema, best: BestValidation) -> Metric:
    """What a training lowers: a perplexity of the validation set, else its loss, else what decides on the best."""
    shown = [metric for metric in metrics.values() if metric.name.startswith("val_") and not metric.detail]
    perplexities = [metric for metric in shown if metric.axis == "log"]
    losses = [metric for metric in shown if is_loss(metric)]
    return next(iter([*perplexities, *losses]), None) or metrics[best.monitor]


def validation_metrics(metrics: Schema, best: BestValidation) -> list[Metric]:
    """The metrics of the validation set that have a figure and a finding: the main one, and all but losses.

    Args:
        metrics: all that a training has measured.
        best: how its validations were compared.
    """
    main = main_metric(metrics, best)
    others = [metric for metric in metrics.values() if metric.name.startswith("val_") and not metric.detail]
    return [
        main,
        *(each for each in others if each.better != "neither" and not is_loss(each) and each.name != main.name),
    ]


def unique(metrics: Iterable[Metric]) -> list[Metric]:
    """Metrics of different names, the first of each."""
    named: dict[str, Metric] = {}
    for metric in metrics:
        named.setdefault(metric.name, metric)
    return list(named.values())


def is_loss(metric: Metric) -> bool:
    """Whether a metric is a loss: in nats, or with that word in its name."""
    return metric.better == "lower" and metric.axis != "log" and (metric.unit == "nats" or "loss" in metric.name)
