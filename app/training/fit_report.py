"""report.json of a training by `fit`: what made it, what came of it, and whether it has reached its end."""

import json
import math
from collections.abc import Mapping
from typing import Any

from app.common.files import write_atomically
from app.common.kernel_sets import report_entries
from app.common.text_files import read_json
from app.runs.best_validation import configured_best
from app.runs.config import flatten, recorded_kernels
from app.runs.layout import FitLayout
from app.runs.provenance import commit, versions
from app.runs.table import read_metrics
from app.training.training import Trained

# A training may be made longer: nothing before its end depends on where that is.
MAX_TIME = "trainer.max_time"
LENGTHS = ("trainer.max_epochs", "trainer.max_steps", MAX_TIME)


def is_finished(layout: FitLayout, config: Mapping[str, Any]) -> bool:
    """Whether an earlier process came to the end that is asked for; some ends are decided on the way.

    Args:
        layout: of the training.
        config: the whole configuration.
    """
    try:
        report = read_json(layout.report)
        end, complete = report["finished"], report.get("complete", True)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    # One that was stopped inside an epoch has no last.ckpt where the data cannot go on from there.
    kept = layout.last if complete else layout.best
    if not kept.exists() or not isinstance(end, dict):
        return False
    asked, end = (
        {name: value for name, value in each.items() if value is not None} for each in (_lengths(config), end)
    )
    # A callback that has stopped the training would have done so in a longer one.
    return asked == end or (not complete and asked.get(MAX_TIME) == end.get(MAX_TIME))


def write_report(
    layout: FitLayout,
    config: Mapping[str, Any],
    trained: Trained | None,
    *,
    seed: int,
    threads: int,
    parameters: int,
    kernels: Mapping[str, str],
    data: Mapping[str, str],
) -> None:
    """Write report.json.

    Args:
        layout: of the training.
        config: the whole configuration.
        trained: what came of the training; None where it has not come to an end.
        seed: of all random draws.
        threads: torch's.
        parameters: number of the model's.
        kernels: what computed it.
        data: checksums of the data.
    """
    found = read_metrics(layout.metrics) if layout.metrics.exists() else []
    told = [configured_best(config).of(found), found[-1]] if found else []
    rows = [{name: value if math.isfinite(value) else None for name, value in row.items()} for row in told]
    report = {
        "seed": seed,
        "versions": versions(),
        "commit": commit(),
        **report_entries(kernels, recorded_kernels(layout)),
        "threads": threads,
        "parameters": parameters,
        "checksums": {"data": data},
        "best": rows[0] if rows else None,
        "last": rows[-1] if rows else None,
        "finished": _lengths(config) if trained is not None else None,
        "complete": trained is not None and trained.complete,
        "iterations": trained.iterations if trained is not None else None,
    }
    write_atomically(layout.report, json.dumps(report, indent=2) + "\n")


def _lengths(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flatten(config).items() if name in LENGTHS}
