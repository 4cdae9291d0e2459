"""UF1 of each layer's trees: the columns that a language model's parses have in metrics.csv."""

import re
from collections.abc import Iterable
from dataclasses import replace

from app.common.metrics import Metric

UF1_FIGURE = "uf1_layers"  # the figure that has a panel for every layer
UF1 = "UF1"
UF1_HEADING = "UF1 (%)"
UF1_CAPTION = "UF1 of each layer's trees over the iterations of training."
UF1_NOTE = (
    "UF1: how well the trees of a layer agree with the treebank's, labels aside: the mean of sentences' F1 as the "
    "ON-LSTM authors' script has it, over the sentences that were parsed while training."
)
_COLUMN = re.compile(r"uf1_layer_(\d+)")


def is_layer(metric: Metric) -> bool:
    """Whether a metric is the UF1 of a layer."""
    return _COLUMN.fullmatch(metric.name) is not None


def layer_name(metric: Metric) -> str:
    """The layer in words: "layer 1"."""
    return f"layer {int(metric.name.rpartition('_')[2])}"


def uf1_of(metric: Metric) -> str:
    """What the trees are, as its label says: UF1, or UF1 of dependency subtrees, which are no constituents."""
    what, comma, _ = metric.label.partition(", layer")
    return what if comma else UF1


def layers(metrics: Iterable[Metric]) -> list[Metric]:
    """UF1 by layer, the lowest first."""
    found = [replace(metric, label=f"{uf1_of(metric)}, {layer_name(metric)}") for metric in metrics if is_layer(metric)]
    return sorted(found, key=lambda metric: int(metric.name.rpartition("_")[2]))
