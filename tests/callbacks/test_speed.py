"""Durations in words, and a speed that follows the machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.common.durations import format_duration
from callbacks.speed import Speed


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (11.2, "11 s"),
        (59, "59 s"),
        (59.6, "0:01:00"),
        (185, "0:03:05"),
        (3723, "1:02:03"),
        (4e5, "111:06:40"),
    ],
)
def test_durations_are_read_at_a_glance(seconds, text):
    assert format_duration(seconds) == text


@given(st.floats(60, 4e5))
def test_no_second_of_a_duration_is_lost(seconds):
    hours, minutes, rest = map(int, format_duration(seconds).split(":"))
    assert minutes < 60
    assert rest < 60
    assert 3600 * hours + 60 * minutes + rest == pytest.approx(seconds, abs=0.5)


def test_speed_counts_what_lies_between_iterations_and_forgets():
    speed = Speed()
    assert speed.seconds_for(10) is None
    speed.add(5.0, 0)  # an evaluation
    speed.add(5.0, 100)
    assert speed.seconds_for(1000) == pytest.approx(100.0, rel=0.01)
    for _ in range(100):
        speed.add(60.0, 60)  # ten times slower, for ten half-lives
    assert speed.seconds_for(1000) == pytest.approx(1000.0, rel=0.01)
