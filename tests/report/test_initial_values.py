import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.report.initial_values import histogram, kept_sign_share, positive_share, relative_size

INITIAL = np.array([[0.1, -0.2, 0.3], [-0.4, 0.5, -0.6]])
MASK = np.array([[False, True, True], [False, True, True]])
NOTHING = np.zeros_like(MASK)


def test_a_case_computed_by_hand():
    """Survivors −0.2, 0.3, 0.5 and −0.6: half are positive, their mean size is 0.4, that of all 0.35."""
    assert positive_share(INITIAL, MASK) == 0.5
    assert relative_size(INITIAL, MASK) == pytest.approx(0.4 / 0.35)
    final = np.array([[9.0, -0.1, -0.3], [9.0, 0.9, -0.1]])
    assert kept_sign_share(INITIAL, final, MASK) == 0.75


def test_of_nothing_there_is_no_share():
    assert math.isnan(positive_share(INITIAL, NOTHING))
    assert math.isnan(relative_size(INITIAL, NOTHING))
    assert math.isnan(kept_sign_share(INITIAL, INITIAL, NOTHING))
    assert math.isnan(relative_size(np.zeros(2), np.ones(2, dtype=bool)))
    assert histogram(INITIAL, NOTHING, limit=1.0, bins=4).tolist() == [0, 0, 0, 0]


def test_bins_of_a_case_counted_by_hand():
    """Bins of a quarter each; 0.5 begins the last one, and −0.6 lies below the first."""
    assert histogram(INITIAL, MASK, limit=0.5, bins=4).tolist() == [1, 1, 0, 2]


@given(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=30), st.integers(2, 9))
def test_counts_are_those_of_a_loop(values, bins):
    initial = np.array(values)
    counts = histogram(initial, np.ones(len(values), dtype=bool), limit=1.0, bins=bins).tolist()
    expected = [0] * bins
    for value in values:
        place = math.floor((value + 1) * bins / 2)
        expected[min(max(place, 0), bins - 1)] += 1
    assert sum(counts) == len(values)
    # A value on the edge of two bins may fall to either side by rounding.
    assert sum(abs(a - b) for a, b in zip(counts, expected, strict=True)) <= 2 * sum(
        abs((value + 1) * bins / 2 - round((value + 1) * bins / 2)) < 1e-6 for value in values
    )
