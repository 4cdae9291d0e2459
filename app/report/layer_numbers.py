"""What masks and weights of a lottery's networks say, layer by layer: plain numbers, without tensors."""

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from math import fsum
from typing import Any

MOST_PANELS = 8  # layers that have a panel or a place in a legend


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """One layer of one network.

    Args:
        method: name of the network's method.
        replicate: its replicate.
        round: its number of prunings.
        layer: name of the weights.
        weights: how many the layer has.
        survivors: how many the mask leaves.
        positive: share of survivors whose initial weight is above 0; nan where initial weights were not kept.
        size: mean absolute initial weight of survivors over that of all; nan where initial weights were not kept.
        kept_sign: share of survivors with the sign of their initial weight after training; nan where trained weights
            were not kept, or the network was not made from the initial weights.
    """

    method: str
    replicate: int
    round: int
    layer: str
    weights: int
    survivors: int
    positive: float = math.nan
    size: float = math.nan
    kept_sign: float = math.nan

    @property
    def density(self) -> float:
        """The share of the layer's weights that the mask leaves."""
        return self.survivors / self.weights


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapRow:
    """One layer of two networks of one round.

    Args:
        method: of the first network.
        replicate: of the first network.
        against: method of the second network.
        against_replicate: replicate of the second network.
        round: of both.
        layer: name of the weights.
        weights: how many the layer has.
        survivors: of the first network.
        against_survivors: of the second.
        both: survivors of both.
        jaccard: `both` over the survivors of at least one; nan where there are none.
        chance: what two independent masks of these sizes have.
        low: two standard deviations below chance.
        high: two standard deviations above chance.
    """

    method: str
    replicate: int
    against: str
    against_replicate: int
    round: int
    layer: str
    weights: int
    survivors: int
    against_survivors: int
    both: int
    jaccard: float
    chance: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramRow:
    """Initial weights of one layer within a bin, over all replicates.

    Args:
        method: whose survivors are counted.
        round: how many prunings.
        layer: name of the weights.
        left: where the bin begins.
        right: where it ends.
        weights: all initial weights in it.
        survivors: those that the masks of the round leave.
    """

    method: str
    round: int
    layer: str
    left: float
    right: float
    weights: int
    survivors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerNumbers:
    """Everything of one lottery.

    Args:
        layers: names of the masked weights, from input to output.
        same_masks: methods whose networks have the masks of another's everywhere, with that other: they have no rows.
        rows: one per network and layer, controls by their first branch.
        replicates: pairs of replicates of one method.
        methods: pairs of methods in one replicate.
        histograms: of the tickets that stand for the lottery, at a handful of rounds.
        missing: what was not kept, in words.
    """

    layers: Sequence[str]
    same_masks: Mapping[str, str]
    rows: Sequence[LayerRow]
    replicates: Sequence[OverlapRow]
    methods: Sequence[OverlapRow]
    histograms: Sequence[HistogramRow]
    missing: Sequence[str]


def layer_titles(names: Sequence[str]) -> dict[str, str]:
    """Short names of layers: without what all begin and end with, up to a dot.

    Args:
        names: of weights, such as net.fc1.weight.
    """
    parts = [name.split(".") for name in names]
    shortest = min(map(len, parts), default=0)
    front = _common(parts, shortest - 1)
    back = _common([part[::-1] for part in parts], shortest - 1 - front)
    if len(names) == 1:
        front, back = max(0, shortest - 2), 1 if shortest > 1 else 0
    return {name: ".".join(part[front : len(part) - back]) for name, part in zip(names, parts, strict=True)}


def chosen_layers(layers: Sequence[str], most: int = MOST_PANELS) -> list[str]:
    """At most so many layers, evenly spread, the first and the last among them."""
    if len(layers) <= most:
        return list(layers)
    return [layers[round(step * (len(layers) - 1) / (most - 1))] for step in range(most)]


def natural_order(names: Iterable[str]) -> list[str]:
    """Names with numbers in them in the order of these: layer.2 before layer.10."""
    return sorted(
        names, key=lambda name: [part.zfill(9) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
    )


def mean_of(rows: Iterable[Any], value: Callable[[Any], float]) -> float:
    """The mean of a value over rows that have one; nan where none has."""
    values = [number for row in rows if not math.isnan(number := value(row))]
    return fsum(values) / len(values) if values else math.nan


def rows_csv(rows: Sequence[Any], kind: type) -> str:
    """Rows as CSV, a column per field; what is not a number is left empty."""
    names = [each.name for each in fields(kind)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        cells = [getattr(row, name) for name in names]
        writer.writerow(["" if isinstance(cell, float) and math.isnan(cell) else cell for cell in cells])
    return text.getvalue()


def _common(parts: Sequence[Sequence[str]], most: int) -> int:
    """How many parts all begin with, at most so many."""
    count = 0
    while count < most and len({part[count] for part in parts}) == 1:
        count += 1
    return count
