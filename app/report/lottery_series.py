"""Rows of results.csv and metrics.csv to lines: mean, least and greatest value per method and round."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum, isfinite, log, nan

from app.common.metrics import Metric
from app.plotting.data import Mark
from app.report.aggregate import Aggregate, aggregate
from app.report.methods import Methods
from app.report.metrics import EARLY_STOP_ITERATION
from app.runs.best_validation import BestValidation
from app.runs.layout import DENSE
from app.runs.table import ITERATION, Result

# The densities of Fig. 3 (Frankle & Carbin): learning gets faster down to 21.1 %, slower below.
PAPER_DENSITIES = (1.0, 0.513, 0.211, 0.070, 0.036, 0.019)
BOUND = "\N{GREATER-THAN OR EQUAL TO}"
NEAR = log(1.12)  # half a round of 20 %: what counts as one of these densities


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What the networks of one method and round have in common.

    Args:
        round: how many prunings.
        density: mean share of weights remaining; the networks of a round hardly differ in it.
        value: over the networks: replicates, or replicates times branches for controls.
        replicates: which replicates these are.
        place: the density at which it is drawn: that of the round's pruned networks for those that are not pruned.
        bounds: how many of the networks have an early stop that is only a lower bound, where that is the value.
    """

    round: int
    density: float
    value: Aggregate
    replicates: frozenset[int]
    place: float
    bounds: int = 0

    @property
    def mark(self) -> Mark:
        """The point in a figure against density."""
        return replace(self.value.mark(self.place), bound=self.bounds > 0)

    def number(self, metric: Metric) -> str:
        """The value without its unit, after "≥ " where it is a lower bound."""
        return f"{BOUND} {self.value.number(metric)}" if self.bounds else self.value.number(metric)


Series = dict[str, tuple[Point, ...]]


def series(results: Iterable[Result], column: str, methods: Methods, best: BestValidation | None = None) -> Series:
    """One line per method: its points by round, beginning with the dense one that all methods share.

    Args:
        results: rows of one experiment.
        column: which column of results.csv, such as `early_stop_iteration`.
        methods: all of them.
        best: how validations were compared, to tell which early stops are only lower bounds.

    Returns:
        The methods that have values, in order; networks without a value in the column, or one that is not finite, are
        left out.
    """
    groups: dict[str, dict[int, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for row in results:
        groups[row.method][row.round].append(row)
    places = round_densities(row for rounds in groups.values() for rows in rounds.values() for row in rows)
    points = {
        method: [point for _, rows in sorted(rounds.items()) for point in _points(rows, column, best, places)]
        for method, rounds in groups.items()
    }
    start = points.get(DENSE, [])
    lines = {method: (*start, *(points[method] if method != DENSE else [])) for method in methods.in_order(groups)}
    return {method: line for method, line in lines.items() if points[method]}


def round_densities(results: Iterable[Result]) -> dict[int, float]:
    """The mean density of the pruned networks of each round: where networks that are not pruned are drawn."""
    found: dict[int, list[float]] = defaultdict(list)
    for row in results:
        if row.density < 1:
            found[row.round].append(row.density)
    return {round_: fsum(densities) / len(densities) for round_, densities in found.items()}


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

    Where these are fewer than half of any network's, as where the replicates of a language model have epochs of other
    lengths, networks are compared validation by validation instead, at the mean of their iterations.

    Args:
        networks: the metrics.csv of each network, at least one.
        name: of the metric.
    """
    tables = [{row[ITERATION]: row.get(name, nan) for row in rows} for rows in networks]
    common = sorted(set.intersection(*map(set, tables)))
    if 2 * len(common) < min(map(len, tables)):
        validations = list(zip(*(sorted(table.items()) for table in tables), strict=False))
    else:
        validations = [tuple((iteration, table[iteration]) for table in tables) for iteration in common]
    return [
        aggregate([value for _, value in each]).mark(fsum(iteration for iteration, _ in each) / len(each))
        for each in validations
        if all(isfinite(value) for _, value in each)
    ]


def _points(
    rows: Sequence[Result], column: str, best: BestValidation | None, places: Mapping[int, float]
) -> list[Point]:
    """The point of one method and round; none where no network has a value."""
    measured = [row for row in rows if isfinite(row.value(column))]
    if not measured:
        return []
    bounded = best is not None and column == EARLY_STOP_ITERATION.name
    density, round_ = fsum(row.density for row in measured) / len(measured), measured[0].round
    return [
        Point(
            round=round_,
            density=density,
            place=density if density < 1 else places.get(round_, density),
            value=aggregate([row.value(column) for row in measured]),
            replicates=frozenset(row.replicate for row in measured),
            bounds=sum(map(best.is_lower_bound, measured)) if best is not None and bounded else 0,
        )
    ]
