"""Columns of results.csv that a language model's lottery has besides validation perplexity: test perplexity, UF1."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from math import fsum

from app.common.metrics import Metric, Schema, described
from app.report.lottery_run import LotteryRun
from app.report.metrics import column
from app.report.uf1_layers import uf1_of
from app.runs.table import FINAL

TEST = "test_perplexity"
OPTIMUM = "test_perplexity_optimal"
UF1 = re.compile(r"uf1_layer_(?P<layer>\d+)(?:_(?P<builder>\w+))?")


def language_columns(lottery: LotteryRun) -> list[Metric]:
    """The test perplexity at the end, and UF1 there by layer and builder, as far as these are not shown anyway.

    Args:
        lottery: whose rows are read.
    """
    names = [name.removeprefix(FINAL) for row in lottery.results for name in row.values if name.startswith(FINAL)]
    present = [name for name in dict.fromkeys(names) if name == TEST or UF1.fullmatch(name)]
    known = described(lottery.schema.metrics, present)
    found = [column(_labelled(known, name), FINAL) for name in present]
    shown = {metric.name for metric in lottery.columns}
    return [metric for metric in found if metric.name not in shown and lottery.measured(metric.name)]


def optimum(lotteries: Sequence[LotteryRun]) -> str:
    """In words the least test perplexity that a model can have, where the data tells it."""
    values = {
        round(fsum(finite) / len(finite), 2)
        for lottery in lotteries
        if (finite := [v for row in lottery.results if math.isfinite(v := row.value(f"{FINAL}{OPTIMUM}"))])
    }
    told = " or ".join(f"{value:.2f}" for value in sorted(values))
    return f"The least test perplexity that any model can have: {told}." if told else ""


def _labelled(known: Schema, name: str) -> Metric:
    """A metric with a label in words, and not as a detail."""
    match = UF1.fullmatch(name)
    if match is None:
        return replace(known[name], label="Test perplexity", detail=False)
    builder = f", {match['builder']}" if match["builder"] else ""
    return replace(known[name], label=f"{uf1_of(known[name])}, layer {match['layer']}{builder}", detail=False)
