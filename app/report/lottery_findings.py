"""What a lottery's numbers say, in sentences: computed from means, and claiming no more than means can."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.common.metrics import Metric
from app.plotting.numbers import iteration, weights
from app.report.findings import Findings
from app.report.lottery_run import LotteryRun
from app.report.lottery_series import BOUND, Point, Series, series
from app.report.methods import Methods
from app.report.metrics import EARLY_STOP_ITERATION, WHEN, column
from app.report.wording import difference, in_sentence, relative, with_article
from app.runs.layout import DENSE
from app.runs.table import EARLY_STOP

TIE = 1e-9  # means that differ by less are equal: the rounding of sums, not a difference between networks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lines:
    """The series that the sentences speak of.

    Args:
        stop: of the early-stop iteration.
        values: of each headline metric that has a better direction, by the prefix of the column.
    """

    stop: Series
    values: Sequence[tuple[Metric, Mapping[str, Series]]]


def lottery_findings(lottery: LotteryRun, methods: Methods) -> Findings:
    """The headline sentences of one experiment.

    Rounds that some replicate has not finished are left out: their means are over other replicates than the
    dense network's, and would compare unlike with unlike.

    Args:
        lottery: the experiment.
        methods: all of them.
    """
    rows = lottery.results
    stop = series(rows, EARLY_STOP_ITERATION.name, methods, lottery.best)
    if DENSE not in stop:
        return Findings(by_subject={}, basis="No dense network is finished yet: there is nothing to compare with.")
    values = [
        (metric, {prefix: series(rows, column(metric, prefix).name, methods) for prefix in WHEN})
        for metric in lottery.headline
        if metric.better != "neither"
    ]
    lines = _Lines(stop=stop, values=values)
    said = {}
    for method in stop:
        if method != DENSE and finished(stop, method):
            said[methods.title(method)] = _of_method(lines, method, methods)
    return Findings(by_subject=said, basis=_basis(stop, methods))


def finished(lines: Series, method: str) -> list[Point]:
    """The pruned points of a method that every replicate of the dense network has finished, by round."""
    if DENSE not in lines:
        return []
    pruned = [point for point in lines.get(method, ()) if point.round > 0]
    full = max((point.value.n for point in pruned), default=0)
    return [point for point in pruned if point.value.n == full and point.replicates >= lines[DENSE][0].replicates]


def standing(points: Sequence[Point], dense: Point, metric: Metric) -> str:
    """Where means hold the dense level, worded so that it is true of every density.

    Args:
        points: by round, at least one.
        dense: the level to hold.
        metric: of the values.
    """
    held = [_gain(metric, point, dense) >= -TIE for point in points]
    if all(held) or not any(held):
        verdict = "at least as good as dense" if held[0] else "worse than dense"
        where = "at" if len(points) == 1 else f"at all {len(points)} densities, down to"
        return f"{verdict} {where} {weights(points[-1].density)} % of weights."
    last = max(index for index, holds in enumerate(held) if holds)
    unbroken = all(held[: last + 1])
    reach = "down to" if unbroken else f"at {sum(held)} of {len(held)} densities, the sparsest"
    said = f"at least as good as dense {reach} {weights(points[last].density)} % of weights"
    below = points[last + 1 :]
    return f"{said}; worse from {weights(below[0].density)} % on." if below else f"{said}."


def _of_method(lines: _Lines, method: str, methods: Methods) -> list[str]:
    holds = []
    # A metric may be undefined for all networks of a method, or for the dense ones.
    values = [
        (metric, by_prefix)
        for metric, by_prefix in lines.values
        if all(finished(by_prefix[prefix], method) for prefix in WHEN)
    ]
    lines = replace(lines, values=values)
    for metric, by_prefix in lines.values:
        early = by_prefix[EARLY_STOP]
        whose = "At early stop" if len(lines.values) == 1 else f"{metric.title} at early stop:"
        holds.append(f"{whose} {standing(finished(early, method), early[DENSE][0], metric)}")
    if methods.is_control(method):
        return [*holds, *_against_tickets(lines, method, methods)]
    extremes = [
        _extreme(metric, by_prefix[prefix], method, when)
        for metric, by_prefix in lines.values
        for prefix, when in WHEN.items()
    ]
    return [_earliest(lines.stop, method), *extremes, *holds]


def _earliest(stop: Series, method: str) -> str:
    first, best = stop[DENSE][0], min(finished(stop, method), key=_level)
    dense = first.value.mean
    at, change = f"at {weights(best.density)} % of weights", relative(best.value.mean, dense)
    if best.value.mean < dense - TIE:
        against = f"iteration {_iteration(best)} against {_iteration(first)} for dense"
        return f"Early stop is earliest {at}, {against} ({change}).{_bounds(first, best)}"
    nearest = f"the earliest, {at}, stops at iteration {_iteration(best)}"
    none = f"No ticket stops earlier than dense (iteration {_iteration(first)})"
    return f"{none}; {nearest} ({change}).{_bounds(first, best)}"


def _iteration(point: Point) -> str:
    return f"{BOUND if point.bounds else ''}{iteration(point.value.mean)}"


def _bounds(*points: Point) -> str:
    """A warning where an early stop is only a lower bound."""
    bounded = any(point.bounds for point in points)
    return f" {BOUND} is a lower bound: a longer training may stop later." if bounded else ""


def _extreme(metric: Metric, lines: Series, method: str, when: str) -> str:
    """Where the tickets are best, against dense."""
    rises = metric.better == "higher"
    dense, best = lines[DENSE][0], (max if rises else min)(finished(lines, method), key=_level)
    at, gain = f"at {weights(best.density)} % of weights", difference(metric, best.value.mean, dense.value.mean)
    value, base = metric.write(best.value.mean), metric.write(dense.value.mean)
    if _gain(metric, best, dense) > TIE:
        extreme = "highest" if rises else "lowest"
        return f"{metric.title} {when} is {extreme} {at}, {value} against {base} for dense ({gain})."
    than = f"{metric.better} {in_sentence(metric.title)} {when} than dense ({base})"
    return f"No ticket has a {than}; the best, {at}, reaches {value} ({gain})."


def _against_tickets(lines: _Lines, control: str, methods: Methods) -> list[str]:
    """A control beside its tickets, at the density where these stop earliest; nothing where there are none."""
    stop = lines.stop
    tickets = methods.controlled(control, stop)
    rounds = {point.round for point in finished(stop, control)}
    both = [point for point in finished(stop, tickets) if point.round in rounds] if tickets else []
    if tickets is None or not both:
        return []
    theirs = min(both, key=_level)
    own = _of_round(stop[control], theirs.round)
    ours = own.value.mean
    compared = []
    for metric, by_prefix in lines.values:
        early = by_prefix[EARLY_STOP]
        if all(theirs.round in {point.round for point in early.get(each, ())} for each in (control, tickets)):
            value, base = (_of_round(early[each], theirs.round).value.mean for each in (control, tickets))
            compared.append(
                f"{with_article(in_sentence(metric.title))} of {metric.write(value)} against {metric.write(base)} "
                f"({difference(metric, value, base)})"
            )
    values = f", with {' and '.join(compared)}" if compared else ""
    return [
        f"At {weights(theirs.density)} % of weights, where {methods.title(tickets)} tickets stop earliest, it stops at "
        f"iteration {_iteration(own)} against {_iteration(theirs)} ({relative(ours, theirs.value.mean)})"
        f"{values}.{_bounds(own, theirs)}"
    ]


def _gain(metric: Metric, point: Point, dense: Point) -> float:
    """How much better a mean is than the dense network's."""
    gain = point.value.mean - dense.value.mean
    return gain if metric.better == "higher" else -gain


def _level(point: Point) -> float:
    """A mean without the rounding of sums: of equal ones, min and max then take the first, the densest."""
    return round(point.value.mean, 9)


def _of_round(line: Sequence[Point], round_: int) -> Point:
    return next(point for point in line if point.round == round_)


def _basis(stop: Series, methods: Methods) -> str:
    replicates = len(stop[DENSE][0].replicates)
    if replicates == 1:
        said = "One replicate: any difference may be chance."
    else:
        said = f"Means over {replicates} replicates; no difference is tested for significance."
    missing = []
    for method, line in stop.items():
        left_out = len(line) - 1 - len(finished(stop, method))
        if left_out > 0:
            missing.append(f"{methods.title(method)} {left_out} of {len(line) - 1}")
    if missing:
        said += f" Rounds left out here because not every replicate has finished them: {', '.join(missing)}."
    return said
