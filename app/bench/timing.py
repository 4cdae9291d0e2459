"""Times of things that take turns: whatever else the machine does then slows all of them alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

# What is measured: says how many seconds it took.
Contestant = Callable[[], float]
Clock = Callable[[], float]

FEWEST = 5  # rounds in any case,
FEWEST_LONG = 3  # or these where they have taken twice the time that was meant for them


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of several measurements, and between which values half of them lie."""

    lower: float
    median: float
    upper: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Median and quartiles of one value or more."""
        lower, _, upper = quantiles(values, n=4, method="inclusive") if len(values) > 1 else (values[0],) * 3
        return cls(lower, median(values), upper)


def ratios(ours: Sequence[float], reference: Sequence[float]) -> list[float]:
    """Of each pair that was measured side by side."""
    return [mine / its for mine, its in zip(ours, reference, strict=True)]


def timed(
    function: Callable[[], object],
    *,
    wait: Callable[[], object] = lambda: None,
    clock: Clock = time.perf_counter,
) -> Contestant:
    """A function as a contestant.

    Args:
        function: what takes the time.
        wait: returns when everything that was begun is done, as a GPU's work may not be when a function returns.
        clock: the time in seconds.
    """

    def seconds() -> float:
        wait()
        began = clock()
        function()
        wait()
        return clock() - began

    return seconds


def take_turns(
    contestants: Mapping[str, Contestant],
    *,
    seconds: float,
    warm_up: int = 1,
    clock: Clock = time.perf_counter,
    tick: Callable[[], object] = lambda: None,
) -> dict[str, list[float]]:
    """Run contestants in turns, A B A B ..., until the time is up.

    Args:
        contestants: by name, in the order of their turns.
        seconds: how long all of it may take, the warm-up included; what takes longer still has `FEWEST_LONG` rounds.
        warm_up: rounds that do not count.
        clock: the time in seconds.
        tick: called between rounds, on nobody's time.

    Returns:
        By name the seconds of every round.
    """
    began = clock()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(warm_up):
        for contestant in contestants.values():
            contestant()
        tick()
    rounds = 0
    while not enough(rounds, clock() - began, seconds):
        for name, contestant in contestants.items():
            times[name].append(contestant())
        rounds += 1
        tick()
    return times


def enough(rounds: int, elapsed: float, seconds: float) -> bool:
    """Whether so many rounds, in so many seconds, are all that the time allows.

    Args:
        rounds: that count.
        elapsed: seconds so far, the warm-up included.
        seconds: what was meant for them.
    """
    return elapsed >= seconds and rounds >= (FEWEST_LONG if elapsed >= 2 * seconds else FEWEST)
