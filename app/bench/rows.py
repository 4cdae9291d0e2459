"""Results of a benchmark, as rows of a table and as plain values."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import Any, ClassVar, Protocol

from rich.box import SIMPLE_HEAD
from rich.table import Table

from app.bench.figures import DASH, Goal, three_digits, yes_or_no
from app.bench.timing import Quartiles, ratios


class BenchRow(Protocol):
    """One result; consecutive rows of the same class share a table."""

    headings: ClassVar[tuple[str, ...]]

    def cells(self) -> tuple[str, ...]:
        """One cell for each heading."""

    def plain(self) -> dict[str, Any]:
        """All values, for JSON."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Times of our code and of a reference that took turns.

    Args:
        what: label: what was measured, and what it is compared with.
        ours: seconds of every round.
        reference: seconds of every round of the reference; empty without a reference.
        goal: for the ratio.
        count: number of `unit`s in a round; with it, speeds and their ratio are shown, otherwise times in ms and their
            ratio.
        unit: of the speed, such as "it/s".
    """

    headings: ClassVar[tuple[str, ...]] = ("", "ours", "reference", "ratio [half of them]", "goal", "met")

    what: str
    ours: Sequence[float]
    reference: Sequence[float] = ()
    goal: Goal | None = None
    count: int | None = None
    unit: str = ""

    @property
    def ratio(self) -> Quartiles | None:
        """Ours divided by the reference's: of speeds if there is a count, else of times."""
        if not self.reference:
            return None
        pairs = (self.ours, self.reference) if self.count is None else (self.reference, self.ours)
        return Quartiles.of(ratios(*pairs))

    def cells(self) -> tuple[str, ...]:
        """Medians, the ratio with its quartiles, the goal and whether it is met."""
        ratio = self.ratio
        spread = f"{ratio.median:.2f}" if ratio else DASH
        if ratio and len(self.ours) > 1:
            spread += f" [{ratio.lower:.2f}{DASH}{ratio.upper:.2f}]"
        return self.what, self._value(self.ours), self._value(self.reference), spread, *_verdict(self.goal, ratio)

    def plain(self) -> dict[str, Any]:
        """Times in seconds, and the numbers of the table."""
        ratio = self.ratio
        return {
            "what": self.what,
            "ours_seconds": list(self.ours),
            "reference_seconds": list(self.reference),
            "count": self.count,
            "unit": self.unit if self.count else "ms",
            "ours": self._number(self.ours),
            "reference": self._number(self.reference),
            "ratio": {"lower": ratio.lower, "median": ratio.median, "upper": ratio.upper} if ratio else None,
            **_plain_goal(self.goal, ratio.median if ratio else None),
        }

    def _number(self, seconds: Sequence[float]) -> float | None:
        if not seconds:
            return None
        middle = Quartiles.of(seconds).median
        return 1000 * middle if self.count is None else self.count / middle

    def _value(self, seconds: Sequence[float]) -> str:
        value = self._number(seconds)
        if value is None:
            return DASH
        return f"{three_digits(value)} {'ms' if self.count is None else self.unit}"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Differences between results and those of the reference.

    Args:
        what: label: precision and size.
        outputs: the largest difference of an output.
        gradients: the largest difference of a gradient, relative to the norm of that gradient.
        goal_outputs: for `outputs`.
        goal_gradients: for `gradients`.
    """

    headings: ClassVar[tuple[str, ...]] = ("", "outputs", "goal", "gradients", "goal", "met")

    what: str
    outputs: float
    gradients: float
    goal_outputs: Goal
    goal_gradients: Goal

    @property
    def met(self) -> bool:
        """Whether both goals are met."""
        return self.goal_outputs.met(self.outputs) and self.goal_gradients.met(self.gradients)

    def cells(self) -> tuple[str, ...]:
        """Both differences and their goals."""
        of_outputs, of_gradients = f"{self.outputs:.1e}", f"{self.gradients:.1e}"
        goals = str(self.goal_outputs), str(self.goal_gradients)
        return self.what, of_outputs, goals[0], of_gradients, goals[1], yes_or_no(self.met)

    def plain(self) -> dict[str, Any]:
        """Both differences and their goals."""
        return {
            "what": self.what,
            "outputs": self.outputs,
            "gradients": self.gradients,
            "goal_outputs": str(self.goal_outputs),
            "goal_gradients": str(self.goal_gradients),
            "met": self.met,
        }


@dataclass(frozen=True, kw_only=True)
class Share:
    """The time of one part of a training step.

    Args:
        what: the part's name.
        forward: its seconds in the forward pass of every step, or all its seconds if it is in neither pass.
        backward: its seconds in the backward pass of every step.
        whole: seconds of the whole step, the sum of the parts' medians.
    """

    headings: ClassVar[tuple[str, ...]] = ("", "forward", "backward", "share")

    what: str
    forward: Sequence[float]
    backward: Sequence[float]
    whole: float

    @property
    def share(self) -> float:
        """The part's share of the whole step, a fraction of 1."""
        return (median(self.forward) + median(self.backward)) / self.whole

    def cells(self) -> tuple[str, ...]:
        """Milliseconds forward and backward, and the share in per cent."""
        middles = median(self.forward), median(self.backward)
        ways = (f"{three_digits(1000 * middle)} ms" if middle else DASH for middle in middles)
        return self.what, *ways, f"{100 * self.share:.1f} %"

    def plain(self) -> dict[str, Any]:
        """Times in seconds, and the share as a fraction of 1."""
        return {
            "what": self.what,
            "forward_seconds": list(self.forward),
            "backward_seconds": list(self.backward),
            "share": self.share,
        }


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence that says what could not be measured here, and why."""

    headings: ClassVar[tuple[str, ...]] = ("",)

    what: str

    def cells(self) -> tuple[str, ...]:
        """The sentence."""
        return (self.what,)

    def plain(self) -> dict[str, Any]:
        """The sentence."""
        return {"note": self.what}


def tables(rows: Iterable[BenchRow]) -> Iterator[Table]:
    """Tables for the terminal, at most 100 columns wide; consecutive rows of the same class share a table.

    Args:
        rows: in the order in which to show them.
    """
    for group in (list(of_kind) for _, of_kind in groupby(rows, type)):
        headings = group[0].headings
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, show_header=len(headings) > 1)
        for place, heading in enumerate(headings):
            table.add_column(heading, justify="right" if place else "left", no_wrap=bool(place))
        for row in group:
            table.add_row(*row.cells())
        yield table


def _verdict(goal: Goal | None, ratio: Quartiles | None) -> tuple[str, str]:
    if goal is None:
        return "", ""
    return str(goal), "" if ratio is None else yes_or_no(goal.met(ratio.median))


def _plain_goal(goal: Goal | None, value: float | None) -> dict[str, Any]:
    return {"goal": goal and str(goal), "met": None if goal is None or value is None else goal.met(value)}
