"""Notes on how to read figures and tables that all reports share."""

from collections.abc import Iterable

from app.common.metrics import Metric
from app.common.original_data import NOT_ORIGINAL
from app.report.metrics import unique
from app.report.provenance import Provenance
from app.report.wording import capitalised, in_sentence


def metric_notes(metrics: Iterable[Metric]) -> list[str]:
    """One note on each metric: its unit, which direction is better, and how its axis is scaled.

    Args:
        metrics: those shown; of several of one name, the first.
    """
    said = [(metric, _describe(metric)) for metric in unique(metrics)]
    return [f"{capitalised(metric.title)}: {text}" for metric, text in said if text]


def data_notes(made: Iterable[Provenance]) -> list[str]:
    """Warnings where data is a copy that differs from the original, or networks were trained on different data."""
    data = [each.data for each in made]
    copies = list(dict.fromkeys(name for each in data for name in each if name.endswith(NOT_ORIGINAL)))
    notes = []
    if copies:
        names = ", ".join(name.removesuffix(NOT_ORIGINAL).strip() for name in copies)
        notes.append(f"Not the original data, but a copy that differs from it (see the checksums): {names}.")
    if len({tuple(sorted(each.items())) for each in data}) > 1:
        notes.append(
            "Not all were trained on the same data (see the checksums): losses and other values may not compare."
        )
    return notes


def detail_notes(metrics: Iterable[Metric]) -> list[str]:
    """A note that names metrics in metrics.csv that no figure and no table shows."""
    told = [f"{in_sentence(metric.title)} ({metric.name})" for metric in unique(metrics)]
    return [f"Measured, but not shown here; see metrics.csv: {', '.join(told)}."] if told else []


def _describe(metric: Metric) -> str:
    said = [f"in {metric.unit}"] if metric.unit and metric.unit != "%" else []
    if metric.better != "neither":
        said.append(f"{metric.better} is better")
    if metric.axis == "log":
        said.append("its axis is logarithmic")
    if metric.axis == "error":
        example = ": from 98 to 99 % is as far as from 80 to 90 %" if metric.unit == "%" else ""
        said.append(f"its axis is logarithmic in the error{example}")
    return f"{'; '.join(said)}." if said else ""
