"""Times functions in turns, so that whatever else the machine does slows all of them alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

# Runs what is measured, and returns the seconds that it took.
Contestant = Callable[[], float]
Clock = Callable[[], float]

FEWEST = 5  # minimum number of rounds
FEWEST_LONG = 3  # the same if they take twice the planned time


@dataclass(frozen=True, slots=True)
class Quartiles:
    """Median and quartiles of several measurements."""

    lower: float
    median: float
    upper: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Quartiles":
        """Compute them from one value or more."""
        lower, _, upper = quantiles(values, n=4, method="inclusive") if len(values) > 1 else (values[0],) * 3
        return cls(lower, median(values), upper)


def ratios(ours: Sequence[float], reference: Sequence[float]) -> list[float]:
    """The ratio of each pair of times from the same round."""
    return [mine / its for mine, its in zip(ours, reference, strict=True)]


def timed(
    function: Callable[[], object],
    *,
    wait: Callable[[], object] = lambda: None,
    clock: Clock = time.perf_counter,
) -> Contestant:
    """Make a contestant of a function.

    Args:
        function: what to time.
        wait: waits for asynchronous work, such as a GPU's, which may go on when the function returns.
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
        seconds: planned time for all rounds, the warm-up included; at least `FEWEST_LONG` rounds are run in any case.
        warm_up: number of rounds that do not count.
        clock: the time in seconds.
        tick: called between rounds; its time does not count.

    Returns:
        The seconds of every round, by name.
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
    """Whether the planned time is used up and there are enough rounds.

    Args:
        rounds: done so far, without the warm-up.
        elapsed: seconds so far, the warm-up included.
        seconds: planned.
    """
    return elapsed >= seconds and rounds >= (FEWEST_LONG if elapsed >= 2 * seconds else FEWEST)
