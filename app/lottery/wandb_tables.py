"""What W&B shows of the rounds of a run together: densities by layer, and the learning curve of every density."""

from collections.abc import Sequence
from typing import Any

from app.common.metrics import Metric
from app.runs.layout import NetworkKey, RunLayout
from app.runs.network_report import read_report
from app.runs.table import ITERATION, read_metrics

LAYERS = "densities_by_layer"
LAYER_COLUMNS = ["round", "density", "layer", "kind", "weights", "survivors", "layer_density"]
CURVES = "learning_curves"
POINTS = 100  # of a curve, at most: a run logs all of its curves again with every round


def layer_rows(run: RunLayout, keys: Sequence[NetworkKey]) -> list[list[Any]]:
    """The density of every layer of some networks; columns `LAYER_COLUMNS`.

    Raises:
        UserError: a report is damaged.
    """
    rows = []
    for key in keys:
        report = read_report(run.network(key))
        for name, layer in report["layers"].items():
            counts = layer["weights"], layer["survivors"]
            rows.append([key.round, report["density"], name, layer["kind"], *counts, counts[1] / max(1, counts[0])])
    return rows


def curve_rows(run: RunLayout, keys: Sequence[NetworkKey], metrics: Sequence[Metric]) -> list[list[Any]]:
    """The validations of some networks: the density in per cent, the iteration, and metrics.

    Args:
        run: the lottery.
        keys: of finished networks.
        metrics: what is drawn; at most `POINTS` validations of each network are taken, evenly.

    Raises:
        UserError: a report or a metrics.csv is damaged.
    """
    rows: list[list[Any]] = []
    for key in keys:
        files = run.network(key)
        density = f"{100 * read_report(files)['density']:.3g} %"
        found = read_metrics(files.metrics)
        shown = found[:: max(1, -(-len(found) // POINTS))]
        rows += [[density, row[ITERATION], *(row.get(metric.name) for metric in metrics)] for row in shown]
    return rows
