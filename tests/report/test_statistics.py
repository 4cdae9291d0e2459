"""Paired differences and their intervals, against published quantiles, hand-computed cases and simulation."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.report.statistics import paired_difference, paired_ratio, t_quantile


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    # The 97.5 % column of printed tables of Student's t.
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (30, 2.042), (120, 1.980)],
)
def test_quantiles_are_those_of_printed_tables(degrees: int, quantile: float):
    assert t_quantile(degrees) == pytest.approx(quantile, abs=0.0005)


def test_an_interval_computed_by_hand():
    """Differences 1, 2, 6: mean 3, deviation √((4 + 1 + 9) / 2) = √7, half 4.303 √7 / √3 = 6.573."""
    found = paired_difference({0: 11.0, 1: 22.0, 2: 36.0}, {0: 10.0, 1: 20.0, 2: 30.0})
    assert (found.mean, found.n) == (3.0, 3)
    assert (found.low, found.high) == (pytest.approx(-3.573, abs=0.001), pytest.approx(9.573, abs=0.001))
    assert found.sign == 0


def test_pairs_are_of_one_replicate_and_the_rest_is_left_out():
    found = paired_difference({0: 5.0, 2: 7.0, 3: 9.0}, {3: 1.0, 0: 4.0, 1: 100.0})
    assert (found.mean, found.n) == (4.5, 2)
    assert paired_difference({0: 1.0}, {1: 1.0}) is None


@pytest.mark.parametrize(
    ("differences", "interval"),
    [([3.0], False), ([-50.0, -50.0, -50.0], False), ([0.0, 0.0], True), ([0.1 + 0.2, 0.3], False)],
    ids=["one pair", "all the same", "no difference at all", "the same but for rounding"],
)
def test_where_the_spread_is_not_known_there_is_no_interval(differences: list[float], interval: bool):
    found = paired_difference(dict(enumerate(differences)), dict.fromkeys(range(len(differences)), 0.0))
    assert found.has_interval is interval
    assert found.sign == 0


def test_a_sign_is_that_of_an_interval_that_leaves_out_zero():
    base = dict.fromkeys(range(3), 0.0)
    assert paired_difference({0: 1.0, 1: 1.1, 2: 0.9}, base).sign == 1
    assert paired_difference({0: -1.0, 1: -1.1, 2: -0.9}, base).sign == -1


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8), st.floats(-100, 100), st.floats(0.01, 100))
def test_shifting_and_scaling_all_pairs_does_the_same_to_the_interval(values, shift, scale):
    zero = dict.fromkeys(range(len(values)), 0.0)
    first = paired_difference(dict(enumerate(values)), zero)
    second = paired_difference({key: scale * value + shift for key, value in enumerate(values)}, zero)
    assert second.mean == pytest.approx(scale * first.mean + shift, rel=1e-6, abs=1e-6)
    if first.has_interval and second.has_interval and first.half > 1e-6:
        assert second.half == pytest.approx(scale * first.half, rel=1e-3)


@pytest.mark.parametrize("pairs", [2, 3, 5])
def test_95_of_100_intervals_hold_the_true_difference(pairs: int):
    """Replicates differ by far more than methods do, as in a lottery; pairing takes that away."""
    draw, trials, held = random.Random(pairs), 2_000, 0
    for _ in range(trials):
        levels = {replicate: draw.gauss(90, 5) for replicate in range(pairs)}
        ours = {replicate: level + draw.gauss(0.4, 0.3) for replicate, level in levels.items()}
        found = paired_difference(ours, levels)
        held += found.low <= 0.4 <= found.high
    # The standard error of the share is 0.5 %.
    assert held / trials == pytest.approx(0.95, abs=0.02)


def test_ratios_are_geometric_means():
    found = paired_ratio({0: 200.0, 1: 800.0}, {0: 100.0, 1: 100.0})
    assert math.exp(found.mean) == pytest.approx(4.0)
    assert paired_ratio({0: 0.0, 1: 1.0}, {0: 1.0, 1: 1.0}) is None
    assert paired_ratio({0: 1.0}, {1: 1.0}) is None
