"""Rows to series: mean, least and greatest value over networks, per method and round."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum, log

from app.runs.layout import METHODS
from app.runs.results import Metrics, Result

# The densities of Fig. 3 (Frankle & Carbin): learning gets faster down to 21.1 %, slower below.
PAPER_DENSITIES = (1.0, 0.513, 0.211, 0.070, 0.036, 0.019)
NEAR = log(1.12)  # half a round of 20 %: what counts as one of these densities


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What the networks of one method and round have in common.

    Args:
        round: how many prunings.
        density: mean share of weights remaining; the networks of a round hardly differ in it.
        mean: mean of the value over the networks.
        low: least value.
        high: greatest value.
        n: how many networks: replicates, or replicates times branches for the controls.
        replicates: which replicates these are.
    """

    round: int
    density: float
    mean: float
    low: float
    high: float
    n: int
    replicates: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Test accuracy over iterations, over the networks of one method and round: four sequences of one length."""

    iterations: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


Series = dict[str, tuple[Point, ...]]


def series(results: Iterable[Result], column: str) -> Series:
    """One line per method: its points by round, beginning with the dense one that all methods share.

    Args:
        results: rows of one experiment.
        column: which column of results.csv, such as `early_stop_iteration`.

    Returns:
        The methods that have rows, in the order of `METHODS`.
    """
    groups: dict[str, dict[int, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for row in results:
        groups[row.method][row.round].append(row)
    start = [_point(rows, column) for rows in groups["dense"].values()]
    lines: Series = {}
    for method in METHODS:
        rounds = [_point(groups[method][round_], column) for round_ in sorted(groups[method]) if method != "dense"]
        if rounds or (method == "dense" and start):
            lines[method] = (*start, *rounds)
    return lines


def ticket_method(methods: Iterable[str]) -> str | None:
    """The method whose tickets stand for the experiment: iterative, or one-shot where it is the only one."""
    present = set(methods)
    return next((method for method in ("iterative", "one_shot") if method in present), None)


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


def curve(networks: Sequence[Sequence[Metrics]]) -> Curve:
    """Mean, least and greatest test accuracy at the iterations that all networks were tested at.

    Args:
        networks: the metrics.csv of each network, at least one.
    """
    tables = [{row.iteration: row.test_accuracy for row in rows} for rows in networks]
    iterations = sorted(set.intersection(*(set(table) for table in tables)))
    columns = [[table[iteration] for table in tables] for iteration in iterations]
    return Curve(
        iterations=tuple(iterations),
        mean=tuple(fsum(values) / len(values) for values in columns),
        low=tuple(map(min, columns)),
        high=tuple(map(max, columns)),
    )


def _point(rows: Sequence[Result], column: str) -> Point:
    values = [getattr(row, column) for row in rows]
    return Point(
        round=rows[0].round,
        density=fsum(row.density for row in rows) / len(rows),
        mean=fsum(values) / len(values),
        low=min(values),
        high=max(values),
        n=len(rows),
        replicates=frozenset(row.replicate for row in rows),
    )
