"""What came of a network of a lottery, in one line."""

from collections.abc import Sequence

from torch import nn

from app.common import protocols
from app.common.metrics import Metric, Schema, headline_metrics
from app.runs.layout import NetworkKey
from app.runs.table import EARLY_STOP, FINAL, Result


def summary(
    key: NetworkKey, result: Result, model: nn.Module, *, complete: bool = True, collapsed: Sequence[str] = ()
) -> str:
    """The line that stays when a network is finished.

    Args:
        key: of the network.
        result: its row.
        model: declares what it measures.
        complete: whether it had its full length.
        collapsed: its weight tensors without a survivor.
    """
    schema = Schema(protocols.metric_schema(model) or ())
    told = [f"early stop at {result.early_stop_iteration:,}"]
    for metric in _headline(schema, result, EARLY_STOP)[:1]:
        early, final = (metric.write(result.value(f"{when}{metric.name}")) for when in (EARLY_STOP, FINAL))
        told.append(f"{_title(metric)} {early}, at the end {final}")
    told += [
        f"{_title(metric)} {metric.write(result.value(f'{FINAL}{metric.name}'))}"
        for metric in _headline(schema, result, FINAL)[:1]
        if f"{EARLY_STOP}{metric.name}" not in result.values  # measured at the end only
    ]
    if not complete:
        told.append(f"stopped before its full length, at {result.iterations:,}")
    if collapsed:
        told.append(f"no weight is left in {' and '.join(collapsed)}")
    return f"{key}: {', '.join(told)}"


def _title(metric: Metric) -> str:
    return f"{metric.title[:1].lower()}{metric.title[1:]}"


def _headline(schema: Schema, result: Result, when: str) -> list[Metric]:
    names = [name.removeprefix(when) for name in result.values if name.startswith(when)]
    return headline_metrics(schema[name] for name in names)
