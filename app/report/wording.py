"""Metrics, their values and differences in words."""

import math

from app.common.metrics import Metric, Schema
from app.plotting.numbers import signed, weights
from app.runs.best_validation import BestValidation
from app.runs.table import EARLY_STOP, FINAL


def in_sentence(label: str) -> str:
    """A label as it stands within a sentence: "test accuracy", but "UF1"."""
    return label if _spelled(label) else label[:1].lower() + label[1:]


def with_article(noun: str) -> str:
    """A noun with its article: "a test accuracy", "an accuracy", "an F1"."""
    vowels = "AEFHILMNORSX" if _spelled(noun) else "aeio"
    return f"{'an' if noun[:1] in vowels else 'a'} {noun}"


def capitalised(text: str) -> str:
    """A text that begins with a capital."""
    return text[:1].upper() + text[1:]


def best_validation(best: BestValidation, monitor: Metric) -> str:
    """What the best validation is, as in "least validation loss"; `monitor` is the metric that decides."""
    return f"{_extreme(best)} {in_sentence(monitor.title)}"


def where_best(best: BestValidation, monitor: Metric) -> str:
    """Where the best validation is, as in "the validation loss is least"; `monitor` is the metric that decides."""
    return f"the {in_sentence(monitor.title)} is {_extreme(best)}"


def expected(metric: Metric) -> str:
    """Which values are possible, in words."""
    if math.isfinite(metric.least) and math.isfinite(metric.greatest):
        return f"a number from {metric.least:g} to {metric.greatest:g}"
    if math.isfinite(metric.least):
        return f"a finite number from {metric.least:g} up"
    return f"a number up to {metric.greatest:g}" if math.isfinite(metric.greatest) else "a finite number"


def at_density(density: float, round_: int, unit: str = "% of weights") -> str:
    """Where a value was measured: "64.1 % of weights"; "round 2" of networks that are not pruned, but trained on.

    Args:
        density: share of weights remaining.
        round_: number of the round; 0 for the dense network.
        unit: what follows the number.
    """
    return f"round {round_}" if density == 1 and round_ > 0 else f"{weights(density)} {unit}"


def impossible(metric: Metric, value: float, declared: Schema, where: str = "") -> str:
    """What is wrong with a value that a metric cannot have, and why that may be.

    Args:
        metric: of the value, by its column.
        value: outside the metric's range.
        declared: the metrics whose ranges are declared; those of others follow from their names.
        where: the value is, such as " at iteration 5".
    """
    name = metric.name.removeprefix(EARLY_STOP).removeprefix(FINAL)
    why = "was it edited by hand?"
    if name not in declared:
        why = f"its range follows from its name: declare {name} in the module's metric_schema if it has another"
    return f"{metric.name} is {value}{where}, expected {expected(metric)}; {why}"


def difference(metric: Metric, value: float, base: float) -> str:
    """How far a value is from another: in percentage points, per cent on a logarithmic axis, else in its unit."""
    if metric.axis == "log" and base > 0:
        percent = 100 * (value / base - 1)
        return f"{signed(percent, 1)} %" if abs(percent) >= 0.05 else "within 0.1 %"
    unit = "pp" if metric.unit == "%" else metric.unit
    change, step = metric.scale * (value - base), 10.0**-metric.decimals
    said = signed(change, metric.decimals) if abs(change) >= step / 2 else f"within {step:.{metric.decimals}f}"
    return f"{said} {unit}".rstrip()


def relative(value: float, base: float) -> str:
    """A change in per cent of `base`: −38 %. Beyond a factor of two, the factor: 2.51 times as late."""
    if base == 0:
        return "from 0" if value else "the same"
    if value >= 2 * base:
        return f"{value / base:.2f} times as late"
    percent = 100 * (value / base - 1)
    return f"{signed(percent, 0)} %" if abs(percent) >= 0.5 else "within 0.5 %"


def _spelled(label: str) -> bool:
    """Whether a label begins with an abbreviation that is spelled: a second letter that is a capital, or a digit."""
    return label[1:2].isupper() or label[1:2].isdigit()


def _extreme(best: BestValidation) -> str:
    return "least" if best.mode == "min" else "highest"
