"""What the numbers say, in sentences: computed from means, and claiming no more than means can."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.plotting.style import LOOKS, accuracy, iteration, signed, weights
from app.report.aggregate import Point, Series, series, ticket_method
from app.runs.layout import CONTROLS
from app.runs.results import Result

TIE = 1e-9  # means that differ by less are equal: the rounding of sums, not a difference between networks

WHEN = {"early_stop_test_accuracy": "at early stop", "final_test_accuracy": "at the end of training"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What one experiment shows.

    Args:
        by_method: sentences under the label of the method that they speak of.
        basis: what all of them rest on.
    """

    by_method: dict[str, list[str]]
    basis: str


def findings(results: Sequence[Result]) -> Findings:
    """The headline sentences of one experiment.

    Rounds that some replicate has not finished are left out: their means are over other replicates than the
    dense network's, and would compare unlike with unlike.

    Args:
        results: its rows.
    """
    stop = series(results, "early_stop_iteration")
    if "dense" not in stop:
        return Findings(by_method={}, basis="No dense network is finished yet: there is nothing to compare with.")
    accuracies = {column: series(results, column) for column in WHEN}
    early = accuracies["early_stop_test_accuracy"]
    said: dict[str, list[str]] = {}
    for method in stop:
        if method == "dense" or not finished(stop, method):
            continue
        holds = f"At early stop {standing(finished(early, method), early['dense'][0])}"
        if method in CONTROLS:
            said[LOOKS[method].label] = [holds, *_against_tickets(stop, early, method)]
        else:
            highest = [_highest(lines, method, WHEN[column]) for column, lines in accuracies.items()]
            said[LOOKS[method].label] = [_earliest(stop, method), *highest, holds]
    return Findings(by_method=said, basis=_basis(stop))


def finished(lines: Series, method: str) -> list[Point]:
    """The pruned points of a method that every replicate of the dense network has finished, by round."""
    pruned = [point for point in lines[method] if point.round > 0]
    full = max((point.n for point in pruned), default=0)
    return [point for point in pruned if point.n == full and point.replicates >= lines["dense"][0].replicates]


def standing(points: Sequence[Point], dense: Point) -> str:
    """Where means of accuracy hold the dense level, worded so that it is true of every density.

    Args:
        points: by round, at least one.
        dense: the level to hold.
    """
    held = [point.mean >= dense.mean - TIE for point in points]
    if all(held) or not any(held):
        verdict = "at least as accurate as dense" if held[0] else "less accurate than dense"
        where = "at" if len(points) == 1 else f"at all {len(points)} densities, down to"
        return f"{verdict} {where} {weights(points[-1].density)} % of weights."
    last = max(index for index, holds in enumerate(held) if holds)
    unbroken = all(held[: last + 1])
    reach = "down to" if unbroken else f"at {sum(held)} of {len(held)} densities, the sparsest"
    said = f"at least as accurate as dense {reach} {weights(points[last].density)} % of weights"
    below = points[last + 1 :]
    return f"{said}; less accurate from {weights(below[0].density)} % on." if below else f"{said}."


def _earliest(stop: Series, method: str) -> str:
    dense, best = stop["dense"][0], min(finished(stop, method), key=_level)
    at, change = f"at {weights(best.density)} % of weights", _relative(best.mean, dense.mean)
    if best.mean < dense.mean - TIE:
        against = f"iteration {iteration(best.mean)} against {iteration(dense.mean)} for dense"
        return f"Early stop is earliest {at}, {against} ({change})."
    nearest = f"the earliest, {at}, stops at iteration {iteration(best.mean)}"
    return f"No ticket stops earlier than dense (iteration {iteration(dense.mean)}); {nearest} ({change})."


def _highest(lines: Series, method: str, when: str) -> str:
    dense, best = lines["dense"][0], max(finished(lines, method), key=_level)
    at, gain = f"at {weights(best.density)} % of weights", _difference(best.mean, dense.mean)
    if best.mean > dense.mean + TIE:
        against = f"{accuracy(best.mean)} % against {accuracy(dense.mean)} % for dense"
        return f"Test accuracy {when} is highest {at}, {against} ({gain})."
    nearest = f"the best, {at}, reaches {accuracy(best.mean)} %"
    return f"No ticket is more accurate {when} than dense ({accuracy(dense.mean)} %); {nearest} ({gain})."


def _against_tickets(stop: Series, early: Series, control: str) -> list[str]:
    """A control beside its tickets, at the density where these stop earliest; nothing where there are none."""
    tickets = ticket_method(stop)
    rounds = {point.round for point in finished(stop, control)}
    both = [point for point in finished(stop, tickets) if point.round in rounds] if tickets else []
    if tickets is None or not both:
        return []
    theirs = min(both, key=_level)
    ours = _of_round(stop[control], theirs.round)
    accuracy_ours, accuracy_theirs = (_of_round(early[method], theirs.round).mean for method in (control, tickets))
    return [
        f"At {weights(theirs.density)} % of weights, where {LOOKS[tickets].label} tickets stop earliest, it stops at "
        f"iteration {iteration(ours.mean)} against {iteration(theirs.mean)} ({_relative(ours.mean, theirs.mean)}), "
        f"with a test accuracy of {accuracy(accuracy_ours)} % against {accuracy(accuracy_theirs)} % "
        f"({_difference(accuracy_ours, accuracy_theirs)})."
    ]


def _level(point: Point) -> float:
    """A mean without the rounding of sums: of equal ones, min and max then take the first, the densest."""
    return round(point.mean, 9)


def _of_round(line: Sequence[Point], round_: int) -> Point:
    return next(point for point in line if point.round == round_)


def _basis(stop: Series) -> str:
    replicates = len(stop["dense"][0].replicates)
    if replicates == 1:
        said = "One replicate: any difference may be chance."
    else:
        said = f"Means over {replicates} replicates; no difference is tested for significance."
    missing = []
    for method, line in stop.items():
        left_out = len(line) - 1 - len(finished(stop, method))
        if left_out > 0:
            missing.append(f"{LOOKS[method].label} {left_out} of {len(line) - 1}")
    if missing:
        said += f" Rounds left out here because not every replicate has finished them: {', '.join(missing)}."
    return said


def _relative(value: float, base: float) -> str:
    """A change in per cent of `base`: −38 %. Beyond a factor of two, the factor: 2.51 times as late."""
    if base == 0:
        return "from 0" if value else "the same"
    if value >= 2 * base:
        return f"{value / base:.2f} times as late"
    percent = 100 * (value / base - 1)
    return f"{signed(percent, 0)} %" if abs(percent) >= 0.5 else "within 0.5 %"


def _difference(value: float, base: float) -> str:
    """A difference in percentage points: +0.31 pp."""
    points = 100 * (value - base)
    return f"{signed(points, 2)} pp" if abs(points) >= 0.005 else "within 0.01 pp"
