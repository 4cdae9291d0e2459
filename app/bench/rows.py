"""What a benchmark finds, as lines of a table and as plain values."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import Any, ClassVar, Protocol

from rich.box import SIMPLE_HEAD
from rich.table import Table

from app.bench.figures import DASH, Goal, three_digits, yes_or_no
from app.bench.timing import Spread, ratios


class Row(Protocol):
    """One finding; rows of a kind that follow each other share a table."""

    headings: ClassVar[tuple[str, ...]]

    def cells(self) -> tuple[str, ...]:
        """One for each heading."""

    def plain(self) -> dict[str, Any]:
        """Everything, for JSON."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two things that took turns.

    Args:
        what: ours, and what it is compared with.
        ours: seconds of every round.
        reference: seconds of every round of the other; empty where there is none.
        goal: of the ratio.
        count: how many `unit`s a round makes; a speed and the ratio of speeds are told then, else the time in ms and
            the ratio of times.
        unit: what is counted.
    """

    headings: ClassVar[tuple[str, ...]] = ("", "ours", "reference", "ratio [half of them]", "goal", "met")

    what: str
    ours: Sequence[float]
    reference: Sequence[float] = ()
    goal: Goal | None = None
    count: int | None = None
    unit: str = ""

    @property
    def ratio(self) -> Spread | None:
        """Ours by the reference's: of times, or of speeds."""
        if not self.reference:
            return None
        pairs = (self.ours, self.reference) if self.count is None else (self.reference, self.ours)
        return Spread.of(ratios(*pairs))

    def cells(self) -> tuple[str, ...]:
        """Medians, the ratio with its quartiles, and whether that will do."""
        ratio = self.ratio
        spread = f"{ratio.median:.2f}" if ratio else DASH
        if ratio and len(self.ours) > 1:
            spread += f" [{ratio.lower:.2f}{DASH}{ratio.upper:.2f}]"
        return self.what, self._value(self.ours), self._value(self.reference), spread, *_verdict(self.goal, ratio)

    def plain(self) -> dict[str, Any]:
        """Times in seconds, and the same figures as in the table."""
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
        middle = Spread.of(seconds).median
        return 1000 * middle if self.count is None else self.count / middle

    def _value(self, seconds: Sequence[float]) -> str:
        value = self._number(seconds)
        if value is None:
            return DASH
        return f"{three_digits(value)} {'ms' if self.count is None else self.unit}"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far a result is from the same by the reference.

    Args:
        what: which result.
        outputs: the largest difference of an output.
        gradients: the largest difference of a gradient, by the length of that gradient.
        goal_outputs: of the one.
        goal_gradients: of the other.
    """

    headings: ClassVar[tuple[str, ...]] = ("", "outputs", "goal", "gradients", "goal", "met")

    what: str
    outputs: float
    gradients: float
    goal_outputs: Goal
    goal_gradients: Goal

    @property
    def met(self) -> bool:
        """Whether both will do."""
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
    """A part of something longer.

    Args:
        what: which part.
        forward: its seconds on the way forward, or all of them where there is no way back; of every time measured.
        backward: its seconds on the way back, likewise.
        whole: seconds of the whole, the sum of the parts' medians.
    """

    headings: ClassVar[tuple[str, ...]] = ("", "forward", "backward", "share")

    what: str
    forward: Sequence[float]
    backward: Sequence[float]
    whole: float

    @property
    def share(self) -> float:
        """Of the whole, a fraction of 1."""
        return (median(self.forward) + median(self.backward)) / self.whole

    def cells(self) -> tuple[str, ...]:
        """Milliseconds, and per cent."""
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
    """Something that could not be measured here, and why."""

    headings: ClassVar[tuple[str, ...]] = ("",)

    what: str

    def cells(self) -> tuple[str, ...]:
        """The sentence."""
        return (self.what,)

    def plain(self) -> dict[str, Any]:
        """The sentence."""
        return {"note": self.what}


def tables(rows: Iterable[Row]) -> Iterator[Table]:
    """Rows for the terminal, some 90 letters wide; each kind of row has a table of its own.

    Args:
        rows: in the order in which they are shown.
    """
    for group in (list(of_kind) for _, of_kind in groupby(rows, type)):
        headings = group[0].headings
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, show_header=len(headings) > 1)
        for place, heading in enumerate(headings):
            table.add_column(heading, justify="right" if place else "left", no_wrap=bool(place))
        for row in group:
            table.add_row(*row.cells())
        yield table


def _verdict(goal: Goal | None, ratio: Spread | None) -> tuple[str, str]:
    if goal is None:
        return "", ""
    return str(goal), "" if ratio is None else yes_or_no(goal.met(ratio.median))


def _plain_goal(goal: Goal | None, value: float | None) -> dict[str, Any]:
    return {"goal": goal and str(goal), "met": None if goal is None or value is None else goal.met(value)}
