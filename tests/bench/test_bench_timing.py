"""Contestants take turns, and their times are measured by the clock."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bench.timing import FEWEST, FEWEST_LONG, Quartiles, enough, ratios, take_turns, timed


class Clock:
    """A clock that only `pass_` moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> float:
        self.now += seconds
        return seconds


def test_contestants_take_turns_until_the_time_is_up() -> None:
    clock, turns = Clock(), []

    def contestant(name: str, seconds: float) -> float:
        turns.append(name)
        return clock.pass_(seconds)

    found = take_turns(
        {"a": lambda: contestant("a", 1), "b": lambda: contestant("b", 2)}, seconds=30, clock=clock, warm_up=2
    )
    assert "".join(turns) == "ab" * 10, "two rounds to warm up, and eight until 30 seconds have passed"
    assert found == {"a": [1] * 8, "b": [2] * 8}


@pytest.mark.parametrize(("round_seconds", "rounds"), [(3.5, FEWEST), (40, FEWEST_LONG), (0.5, 20)])
def test_there_are_never_too_few_rounds(round_seconds: float, rounds: int) -> None:
    clock = Clock()
    found = take_turns({"a": lambda: clock.pass_(round_seconds)}, seconds=10, clock=clock, warm_up=0)
    assert len(found["a"]) == rounds


def test_what_happens_between_rounds_is_on_nobodys_time() -> None:
    clock, ticks = Clock(), []
    found = take_turns(
        {"a": timed(lambda: clock.pass_(1), clock=clock)},
        seconds=0,
        clock=clock,
        tick=lambda: ticks.append(clock.pass_(7)),
    )
    assert found["a"] == [1] * len(found["a"])
    assert len(ticks) == len(found["a"]) + 1, "after every round, and after that which warmed up"


def test_a_contestant_waits_before_and_after() -> None:
    """Asynchronous work started before does not count; work that the function starts does."""
    clock, waits = Clock(), iter([50.0, 3.0])
    assert timed(lambda: clock.pass_(1), wait=lambda: clock.pass_(next(waits)), clock=clock)() == 4


def test_enough_is_by_rounds_and_time() -> None:
    assert not enough(FEWEST, 9.9, 10)
    assert enough(FEWEST, 10, 10)
    assert not enough(FEWEST - 1, 10, 10)
    assert not enough(FEWEST_LONG - 1, 100, 10)
    assert enough(FEWEST_LONG, 20, 10)


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=30))
def test_the_spread_is_of_quartiles(values: list[float]) -> None:
    spread = Quartiles.of(values)
    np.testing.assert_allclose([spread.lower, spread.median, spread.upper], np.percentile(values, [25, 50, 75]))


def test_ratios_are_of_pairs() -> None:
    """A slow moment slows both times of a pair; the ratio of the medians would be 2."""
    assert ratios([1, 20, 2], [1, 20, 1]) == [1, 1, 2]
