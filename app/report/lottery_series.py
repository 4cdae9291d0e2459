"""Rows of results.csv and metrics.csv to lines: mean, least and greatest value per method and round."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, isnan, log

from app.plotting.data import Mark
from app.report.aggregate import Aggregate, aggregate
from app.report.methods import Methods
from app.runs.layout import DENSE
from app.runs.table import ITERATION, Result

# The densities of Fig. 3 (Frankle & Carbin): learning gets faster down to 21.1 %, slower below.
PAPER_DENSITIES = (1.0, 0.513, 0.211, 0.070, 0.036, 0.019)
NEAR = log(1.12)  # half a round of 20 %: what counts as one of these densities


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What the networks of one method and round have in common.

    Args:
        round: how many prunings.
        density: mean share of weights remaining; the networks of a round hardly differ in it.
        value: over the networks: replicates, or replicates times branches for controls.
        replicates: which replicates these are.
    """

    round: int
    density: float
    value: Aggregate
    replicates: frozenset[int]

    @property
    def mark(self) -> Mark:
        """The point in a figure against density."""
        return self.value.mark(self.density)


Series = dict[str, tuple[Point, ...]]


def series(results: Iterable[Result], column: str, methods: Methods) -> Series:
    """One line per method: its points by round, beginning with the dense one that all methods share.

    Args:
        results: rows of one experiment.
        column: which column of results.csv, such as `early_stop_iteration`.
        methods: all of them.

    Returns:
        The methods that have rows, in order.
    """
    groups: dict[str, dict[int, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for row in results:
        groups[row.method][row.round].append(row)
    start = [_point(rows, column) for rows in groups[DENSE].values()] if DENSE in groups else []
    lines: Series = {}
    for method in methods.in_order(groups):
        rounds = [_point(groups[method][round_], column) for round_ in sorted(groups[method]) if method != DENSE]
        lines[method] = (*start, *rounds)
    return lines


def chosen_rounds(points: Sequence[Point]) -> list[int]:
    """A handful of rounds to draw curves of: those of the paper, else four evenly spread, dense first.

    Args:
        points: one line of a series, by round.
    """
    near = [min(points, key=lambda point: abs(log(point.density / target))) for target in PAPER_DENSITIES]
    hits = {
        point.round
        for point, target in zip(near, PAPER_DENSITIES, strict=True)
        if abs(log(point.density / target)) < NEAR
    }
    if len(hits) >= 4:
        return sorted(hits)
    last = len(points) - 1
    return sorted({points[round(step * last / 3)].round for step in range(4)})


def curve(networks: Sequence[Sequence[Mapping[str, float]]], name: str) -> list[Mark]:
    """A metric at the iterations that all networks were measured at.

    Args:
        networks: the metrics.csv of each network, at least one.
        name: of the metric.
    """
    tables = [
        {row[ITERATION]: row[name] for row in rows if not isnan(row.get(name, float("nan")))} for rows in networks
    ]
    common = sorted(set.intersection(*(set(table) for table in tables)))
    return [aggregate([table[iteration] for table in tables]).mark(iteration) for iteration in common]


def _point(rows: Sequence[Result], column: str) -> Point:
    return Point(
        round=rows[0].round,
        density=fsum(row.density for row in rows) / len(rows),
        value=aggregate([row.value(column) for row in rows]),
        replicates=frozenset(row.replicate for row in rows),
    )
