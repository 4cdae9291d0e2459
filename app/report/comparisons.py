"""Comparisons between methods of a lottery: paired differences over replicates, by round."""

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import fsum, isfinite

from app.common.metrics import Metric
from app.report.differences import NUMBERS, MetricDifference
from app.report.lottery_run import LotteryRun
from app.report.methods import Methods
from app.report.metrics import EARLY_STOP_ITERATION
from app.report.statistics import paired_difference, paired_ratio
from app.runs.best_validation import BestValidation
from app.runs.layout import DENSE
from app.runs.table import Result

HEADER = (
    "experiment",
    "column",
    "method",
    "against",
    "round",
    "density",
    "replicates",
    *NUMBERS,
    "verdict",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(MetricDifference):
    """A method beside another at the same round, or beside the dense network.

    Args:
        method: name of the method.
        against: name of the other.
        round: of both; that of `method` where the other is the dense network.
        density: mean share of weights remaining of the method's networks.
    """

    method: str
    against: str
    round: int
    density: float


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


def comparisons_csv(
    lotteries: Iterable[LotteryRun], methods: Methods, more: Callable[[LotteryRun], Iterable[Metric]] | None = None
) -> str:
    """comparisons.csv: every method beside dense and beside every other, round by round.

    Differences are in the unit of the column (accuracies in fractions of 1), ratios are geometric means over
    replicates; `low` and `high` are the ends of the 95 % intervals, empty where there is none.

    Args:
        lotteries: one after the other.
        methods: all of them.
        more: columns of results.csv that are compared besides those that are shown.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for lottery in lotteries:
        present = methods.in_order(lottery.methods)
        pairs = [(one, other) for place, one in enumerate(present) for other in present[:place]]
        for metric in [*lottery.columns, *(more(lottery) if more is not None else ())]:
            for method, against in pairs:
                for each in compare(lottery.results, metric, method, against, lottery.best):
                    place = (each.metric.name, method, against, each.round, repr(each.density), each.difference.n)
                    writer.writerow([lottery.name, *place, *each.numbers, each.verdict])
    return text.getvalue()


def _by_round(results: Iterable[Result], metric: Metric, method: str) -> dict[int, list[Result]]:
    found: dict[int, list[Result]] = defaultdict(list)
    for row in results:
        if row.method == method and isfinite(row.value(metric.name)):
            found[row.round].append(row)
    return found


def _bounded(metric: Metric, rows: Iterable[Result], best: BestValidation | None) -> bool:
    """Whether values of a column are only lower bounds."""
    return metric.name == EARLY_STOP_ITERATION.name and best is not None and any(map(best.is_lower_bound, rows))
