"""Comparisons between methods of a lottery: paired differences over replicates, by round."""

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import fsum, isfinite

from app.common.metrics import Metric
from app.plotting.numbers import signed
from app.report.lottery_run import LotteryRun
from app.report.methods import Methods
from app.report.metrics import EARLY_STOP_ITERATION
from app.report.statistics import Difference, paired_difference, paired_ratio
from app.runs.best_validation import BestValidation
from app.runs.layout import DENSE
from app.runs.table import Result

UNSEEN = "no difference seen"
BOUNDED = "not known, as a lower bound is compared"
HEADER = (
    "experiment",
    "column",
    "method",
    "against",
    "round",
    "density",
    "replicates",
    "difference",
    "low",
    "high",
    "ratio",
    "ratio_low",
    "ratio_high",
    "verdict",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A method beside another at the same round, or beside the dense network.

    Args:
        metric: of a column of results.csv.
        method: name of the method.
        against: name of the other.
        round: of both; that of `method` where the other is the dense network.
        density: mean share of weights remaining of the method's networks.
        difference: over the replicates that both have, networks of one replicate averaged first.
        ratio: the same of the logarithms; None where a value is not positive.
        bounded: whether values of the method are only lower bounds.
        base_bounded: whether values of the other are.
    """

    metric: Metric
    method: str
    against: str
    round: int
    density: float
    difference: Difference
    ratio: Difference | None
    bounded: bool = False
    base_bounded: bool = False

    @property
    def shown(self) -> Difference:
        """What is written: the difference, or that of logarithms where the metric has a logarithmic axis."""
        return self.ratio if self.metric.axis == "log" and self.ratio is not None else self.difference

    @property
    def verdict(self) -> str:
        """What the interval allows to claim; empty where there is no interval."""
        if not self.shown.has_interval:
            return ""
        sign = self.shown.sign
        if sign == 0:
            return UNSEEN
        if (sign < 0 and self.bounded) or (sign > 0 and self.base_bounded):
            return BOUNDED  # a longer training could turn it
        return _claims(self.metric)[sign > 0]

    @property
    def interval(self) -> str:
        """The ends of the interval, as "+0.14 to +0.66"; empty where there is none."""
        ends = (self.shown.low, self.shown.high)
        return " to ".join(map(self._number, ends)) if self.shown.has_interval else ""

    @property
    def cell(self) -> str:
        """For a table: "+0.40 (+0.14 to +0.66) better"."""
        said = self._number(self.shown.mean)
        return f"{said} ({self.interval}) {self.verdict}" if self.interval else said

    @property
    def written(self) -> str:
        """For a sentence: "+0.40 pp, 95 % interval +0.14 to +0.66"."""
        said = f"{self._number(self.shown.mean)} {self.unit}".rstrip()
        if self.interval:
            return f"{said}, 95 % interval {self.interval}"
        return f"{said} in every replicate, so no interval" if self.shown.n > 1 else said

    @property
    def unit(self) -> str:
        """Of the written difference: "pp" for a metric in per cent, "%" for a ratio."""
        return "%" if self.shown is self.ratio else "pp" if self.metric.unit == "%" else self.metric.unit

    def _number(self, value: float) -> str:
        if self.shown is self.ratio:
            return signed(100 * math.expm1(value), 1)
        return signed(self.metric.scale * value, self.metric.decimals)


def compare(
    results: Iterable[Result], metric: Metric, method: str, against: str, best: BestValidation | None = None
) -> list[Comparison]:
    """Compare a method with another in every round that both have, the dense network with all rounds.

    Args:
        results: rows of one experiment.
        metric: of a column's name.
        method: its name.
        against: the other's.
        best: how validations were compared, to tell which early stops are only lower bounds.
    """
    ours, theirs = _by_round(results, metric, method), _by_round(results, metric, against)
    found = []
    for round_, rows in sorted(ours.items()):
        others = theirs.get(0 if against == DENSE else round_, [])
        values, base = by_replicate(rows, metric.name), by_replicate(others, metric.name)
        difference = paired_difference(values, base)
        if round_ > 0 and difference is not None:
            found.append(
                Comparison(
                    metric=metric,
                    method=method,
                    against=against,
                    round=round_,
                    density=fsum(row.density for row in rows) / len(rows),
                    difference=difference,
                    ratio=paired_ratio(values, base),
                    bounded=_bounded(metric, rows, best),
                    base_bounded=_bounded(metric, others, best),
                )
            )
    return found


def by_replicate(rows: Iterable[Result], column: str) -> dict[int, float]:
    """The mean of a column in each replicate: several networks of a control count as one."""
    found: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        if isfinite(value := row.value(column)):
            found[row.replicate].append(value)
    return {replicate: fsum(values) / len(values) for replicate, values in found.items()}


def references(method: str, present: Sequence[str], methods: Methods) -> list[str]:
    """What a method is compared with: dense, and the tickets that it is a control of, or the first tickets of all.

    Args:
        method: its name.
        present: the methods of the experiment.
        methods: all of them.
    """
    tickets = methods.controlled(method, present) if methods.is_control(method) else methods.tickets(present)
    others = [DENSE] if tickets is None or tickets == method else [DENSE, tickets]
    return [name for name in others if name in present]


def comparisons_csv(lotteries: Iterable[LotteryRun], methods: Methods) -> str:
    """comparisons.csv: every method beside dense and beside every other, round by round.

    Differences are in the unit of the column (accuracies in fractions of 1), ratios are geometric means over
    replicates; `low` and `high` are the ends of the 95 % intervals, empty where there is none.

    Args:
        lotteries: one after the other.
        methods: all of them.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for lottery in lotteries:
        present = methods.in_order(lottery.methods)
        pairs = [(one, other) for place, one in enumerate(present) for other in present[:place]]
        for metric in lottery.columns:
            for method, against in pairs:
                for each in compare(lottery.results, metric, method, against, lottery.best):
                    writer.writerow([lottery.name, *_cells(each)])
    return text.getvalue()


def as_difference(metric: Metric) -> Metric:
    """The metric of paired differences: in points of per cent, in per cent on a logarithmic axis, else in its unit."""
    ratio = metric.axis == "log"
    return replace(
        metric,
        name=f"{metric.name}_difference",
        label=f"{metric.title}, difference from dense",
        unit="%" if ratio else "pp" if metric.unit == "%" else metric.unit,
        scale=1.0 if ratio else metric.scale,
        decimals=1 if ratio else metric.decimals,
        least=-math.inf,
        greatest=math.inf,
        axis="linear",
    )


def _by_round(results: Iterable[Result], metric: Metric, method: str) -> dict[int, list[Result]]:
    found: dict[int, list[Result]] = defaultdict(list)
    for row in results:
        if row.method == method and isfinite(row.value(metric.name)):
            found[row.round].append(row)
    return found


def _bounded(metric: Metric, rows: Iterable[Result], best: BestValidation | None) -> bool:
    """Whether values of a column are only lower bounds."""
    return metric.name == EARLY_STOP_ITERATION.name and best is not None and any(map(best.is_lower_bound, rows))


def _claims(metric: Metric) -> tuple[str, str]:
    """What is said of an interval below 0, and of one above."""
    if metric.name == EARLY_STOP_ITERATION.name:
        return "faster", "slower"
    if metric.better == "neither":
        return "lower", "higher"
    return ("worse", "better") if metric.better == "higher" else ("better", "worse")


def _cells(each: Comparison) -> list[str]:
    ratio = each.ratio
    numbers = [each.difference.mean, each.difference.low, each.difference.high]
    numbers += [math.nan] * 3 if ratio is None else [math.exp(value) for value in (ratio.mean, ratio.low, ratio.high)]
    written = ["" if math.isnan(number) else repr(number) for number in numbers]
    head = (each.metric.name, each.method, each.against, str(each.round), repr(each.density), str(each.difference.n))
    return [*head, *written, each.verdict]
