import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.report.mask_overlap import Overlap, overlap

sizes = st.integers(2, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, n)))


def test_a_case_counted_by_hand():
    """Ten weights: one mask keeps 0-3, the other 2-6; they share 2 and 3 of the seven that either keeps."""
    first, second = np.zeros((2, 5), dtype=bool), np.zeros((2, 5), dtype=bool)
    first.reshape(-1)[:4], second.reshape(-1)[2:7] = True, True
    found = overlap(first, second)
    assert found == Overlap(weights=10, first=4, second=5, both=2)
    assert found.jaccard == pytest.approx(2 / 7)
    assert found.expected == pytest.approx(2.0)
    # 4 · 5 · 6 · 5 / (100 · 9)
    assert found.deviation == pytest.approx(math.sqrt(600 / 900))
    assert found.chance == pytest.approx(2 / 7)
    low, high = found.band
    assert low == pytest.approx((2 - 2 * 0.8165) / (9 - 2 + 2 * 0.8165), abs=1e-4)
    assert high == pytest.approx((2 + 2 * 0.8165) / (9 - 2 - 2 * 0.8165), abs=1e-4)


@given(sizes)
def test_chance_is_what_all_placements_have_on_average(size):
    """Every placement of the second mask beside a fixed first one: mean and deviation by counting."""
    n, a, b = size
    shared = [Fraction(len(set(places) & set(range(a)))) for places in combinations(range(n), b)]
    mean = sum(shared) / len(shared)
    spread = sum((each - mean) ** 2 for each in shared) / len(shared)
    found = Overlap(weights=n, first=a, second=b, both=0)
    assert found.expected == pytest.approx(float(mean))
    assert found.deviation == pytest.approx(math.sqrt(spread), abs=1e-9)


@given(sizes, st.integers(0, 2**20))
def test_the_index_lies_between_0_and_1_and_the_band_around_chance(size, seed):
    n, a, b = size
    draw = np.random.default_rng(seed)
    masks = [np.zeros(n, dtype=bool) for _ in range(2)]
    for mask, kept in zip(masks, (a, b), strict=True):
        mask[draw.permutation(n)[:kept]] = True
    found, swapped = overlap(*masks), overlap(*reversed(masks))
    assert (found.both, found.first, found.second) == (swapped.both, swapped.second, swapped.first)
    if a + b == 0:
        assert math.isnan(found.jaccard)
        return
    assert 0 <= found.jaccard <= 1
    low, high = found.band
    assert 0 <= low <= found.chance + 1e-12
    assert found.chance <= high + 1e-12
    assert high <= 1 + 1e-12


def test_random_masks_lie_within_the_band_about_as_often_as_two_deviations_say():
    draw, inside = np.random.default_rng(0), 0
    for _ in range(300):
        masks = [np.zeros(500, dtype=bool) for _ in range(2)]
        for mask in masks:
            mask[draw.permutation(500)[:100]] = True
        found = overlap(*masks)
        inside += found.band[0] <= found.jaccard <= found.band[1]
    assert 0.92 <= inside / 300 <= 0.99


def test_equal_masks_and_masks_apart():
    mask = np.array([True, False, True, False])
    assert overlap(mask, mask).jaccard == 1
    assert overlap(mask, ~mask).jaccard == 0
    whole = np.ones(4, dtype=bool)
    assert overlap(whole, whole).band == (1.0, 1.0)
