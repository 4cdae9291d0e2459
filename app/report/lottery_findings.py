"""What a lottery's numbers say, in sentences: means, and claims only where an interval over replicates allows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.common.metrics import Metric
from app.plotting.numbers import iteration
from app.report.comparisons import Comparison, compare
from app.report.findings import Findings
from app.report.lottery_run import LotteryRun
from app.report.lottery_series import BOUND, Point, Series, series
from app.report.methods import Methods
from app.report.metrics import EARLY_STOP_ITERATION, WHEN, column
from app.report.verdicts import basis, claimed, verdicts
from app.report.wording import at_density, in_sentence, relative, with_article
from app.runs.layout import DENSE
from app.runs.table import EARLY_STOP

PERCENT = "%"
TIE = 1e-9  # means that differ by less are equal: the rounding of sums, not a difference between networks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lines:
    """The series that the sentences speak of.

    Args:
        stop: of the early-stop iteration.
        values: of each headline metric that has a better direction, by the prefix of the column.
        lottery: the experiment.
    """

    stop: Series
    values: Sequence[tuple[Metric, Mapping[str, Series]]]
    lottery: LotteryRun

    def compared(self, metric: Metric, method: str, against: str, points: Sequence[Point]) -> list[Comparison]:
        """A method beside another in the rounds of some points.

        Args:
            metric: of a column's name.
            method: its name.
            against: the other's.
            points: of the method.
        """
        rounds = {point.round for point in points}
        found = compare(self.lottery.results, metric, method, against, self.lottery.best)
        return [each for each in found if each.round in rounds]


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
    lines = _Lines(stop=stop, values=values, lottery=lottery)
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
    holding, short = ("at or above", "below") if metric.better == "higher" else ("at or below", "above")
    if all(held) or not any(held):
        where = "at" if len(points) == 1 else f"at all {len(points)} densities, down to"
        return f"{holding if held[0] else short} dense {where} {at_density(points[-1].density, points[-1].round)}"
    last = max(index for index, holds in enumerate(held) if holds)
    unbroken = all(held[: last + 1])
    reach = "down to" if unbroken else f"at {sum(held)} of {len(held)} densities, the sparsest"
    said = f"{holding} dense {reach} {at_density(points[last].density, points[last].round)}"
    below = points[last + 1 :]
    return f"{said}, {short} from {at_density(below[0].density, below[0].round, PERCENT)} on" if below else said


def _of_method(lines: _Lines, method: str, methods: Methods) -> list[str]:
    # A metric may be undefined for all networks of a method, or for the dense ones.
    values = [
        (metric, by_prefix)
        for metric, by_prefix in lines.values
        if all(finished(by_prefix[prefix], method) for prefix in WHEN)
    ]
    lines = replace(lines, values=values)
    holds = [_standing(lines, metric, by_prefix[EARLY_STOP], method) for metric, by_prefix in values]
    if methods.is_control(method):
        return [*holds, *_against_tickets(lines, method, methods), *_in_all_rounds(lines, method, methods)]
    extremes = [
        _extreme(lines, column(metric, prefix), by_prefix[prefix], method)
        for metric, by_prefix in values
        for prefix in WHEN
    ]
    return [_earliest(lines, method), *extremes, *holds, *_in_all_rounds(lines, method, methods)]


def _standing(lines: _Lines, metric: Metric, early: Series, method: str) -> str:
    """Where a metric at early stop is, by its mean and by the intervals."""
    points, shown = finished(early, method), column(metric, EARLY_STOP)
    told = verdicts(lines.compared(shown, method, DENSE, points))
    return f"{shown.title}: on average {standing(points, early[DENSE][0], metric)}{f'; {told}' if told else ''}."


def _earliest(lines: _Lines, method: str) -> str:
    first, best = lines.stop[DENSE][0], min(finished(lines.stop, method), key=_level)
    at = f"at {at_density(best.density, best.round)}"
    (compared,) = lines.compared(EARLY_STOP_ITERATION, method, DENSE, [best])
    change = f"{relative(best.value.mean, first.value.mean)}{_in_iterations(compared)}{claimed(compared)}"
    if best.value.mean < first.value.mean - TIE:
        against = f"iteration {_iteration(best)} against {_iteration(first)} for dense"
        said = f"Early stop is earliest {at}, {against} ({change})"
    else:
        nearest = f"the earliest, {at}, stops at iteration {_iteration(best)}"
        said = f"No ticket stops earlier than dense (iteration {_iteration(first)}) on average; {nearest} ({change})"
    return f"{said}.{_bounds(first, best)}"


def _iteration(point: Point) -> str:
    return f"{BOUND if point.bounds else ''}{iteration(point.value.mean)}"


def _in_iterations(compared: Comparison) -> str:
    """What follows a change in per cent: the difference in iterations and its interval, where there is one."""
    return f"; {compared.written}" if compared.difference.n > 1 else ""


def _bounds(*points: Point) -> str:
    """A warning where an early stop is only a lower bound."""
    bounded = any(point.bounds for point in points)
    return f" {BOUND} is a lower bound: a longer training may stop later." if bounded else ""


def _extreme(lines: _Lines, metric: Metric, series_: Series, method: str) -> str:
    """Where the tickets are best, against dense; `metric` is that of the column."""
    rises = metric.better == "higher"
    dense, best = series_[DENSE][0], (max if rises else min)(finished(series_, method), key=_level)
    at = f"at {at_density(best.density, best.round)}"
    value, base = metric.write(best.value.mean), metric.write(dense.value.mean)
    (compared,) = lines.compared(metric, method, DENSE, [best])
    change = f"{compared.written}{claimed(compared)}"
    if _gain(metric, best, dense) > TIE:
        extreme = "highest" if rises else "lowest"
        said = f"{metric.title} is {extreme} {at}, {value} against {base} for dense ({change})"
    else:
        than = f"{metric.better} {in_sentence(metric.title)} than dense ({base})"
        said = f"No ticket has a {than} on average; the best, {at}, reaches {value} ({change})"
    return f"{said}."


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
    (stops,) = lines.compared(EARLY_STOP_ITERATION, control, tickets, [own])
    told = []
    for metric, by_prefix in lines.values:
        early = by_prefix[EARLY_STOP]
        for each in lines.compared(column(metric, EARLY_STOP), control, tickets, [own]):
            if all(own.round in {point.round for point in early.get(name, ())} for name in (control, tickets)):
                value, base = (_of_round(early[name], own.round).value.mean for name in (control, tickets))
                told.append(
                    f"{with_article(in_sentence(metric.title))} of {metric.write(value)} against {metric.write(base)} "
                    f"({each.written}{claimed(each)})"
                )
    change = f"{relative(own.value.mean, theirs.value.mean)}{_in_iterations(stops)}{claimed(stops)}"
    values = f", with {' and '.join(told)}" if told else ""
    return [
        f"At {at_density(theirs.density, theirs.round)}, where {methods.title(tickets)} tickets stop earliest, "
        f"it stops at iteration {_iteration(own)} against {_iteration(theirs)} ({change})"
        f"{values}.{_bounds(own, theirs)}"
    ]


def _in_all_rounds(lines: _Lines, method: str, methods: Methods) -> list[str]:
    """A method beside the tickets of the same rounds, by the intervals; nothing where there are none."""
    against = methods.controlled(method, lines.stop) if methods.is_control(method) else methods.tickets(lines.stop)
    if against is None or against == method:
        return []
    columns = [EARLY_STOP_ITERATION, *(column(metric, prefix) for metric, _ in lines.values for prefix in WHEN)]
    points = finished(lines.stop, method)
    told = {each.title: verdicts(lines.compared(each, method, against, points)) for each in columns}
    return [
        f"{title} beside {methods.title(against)} tickets of the same round: {said}."
        for title, said in told.items()
        if said
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
    said = basis(len(stop[DENSE][0].replicates), "replicate")
    missing = []
    for method, line in stop.items():
        left_out = len(line) - 1 - len(finished(stop, method))
        if left_out > 0:
            missing.append(f"{methods.title(method)} {left_out} of {len(line) - 1}")
    if missing:
        said += f" Rounds left out here because not every replicate has finished them: {', '.join(missing)}."
    return said
