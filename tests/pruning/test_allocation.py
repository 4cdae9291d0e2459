"""Counts of weights by layer for a given sum: exact, and by the published rule."""

from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.pruning import balanced_counts, erk_counts

SHAPES = st.dictionaries(
    st.sampled_from("abcdef"),
    st.one_of(
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 3), st.integers(1, 3)),
    ),
    min_size=1,
)


def published_erk(shapes: dict[str, tuple[int, ...]], density: float) -> dict[str, float]:
    """Densities as the code of Evci et al. finds them: the densest layer of too many weights is made whole, again."""
    dense: set[str] = set()
    raw = {name: sum(shape) / prod(shape) for name, shape in shapes.items()}
    while True:
        divisor, ones = 0.0, 0.0
        for name, shape in shapes.items():
            if name in dense:
                ones -= prod(shape) * (1 - density)
            else:
                ones += prod(shape) * density
                divisor += raw[name] * prod(shape)
        if not divisor:
            break
        epsilon = ones / divisor
        most = max(raw[name] for name in shapes if name not in dense)
        if most * epsilon <= 1:
            break
        dense |= {name for name in shapes if name not in dense and raw[name] == most}
    return {name: 1.0 if name in dense else epsilon * raw[name] for name in shapes}


@given(SHAPES, st.floats(0, 1))
def test_erk_counts_are_the_published_densities_with_an_exact_sum(
    shapes: dict[str, tuple[int, ...]], share: float
) -> None:
    sizes = {name: prod(shape) for name, shape in shapes.items()}
    total = round(share * sum(sizes.values()))
    counts = erk_counts(shapes, total)
    assert list(counts) == list(shapes)
    assert sum(counts.values()) == total
    densities = published_erk(shapes, total / sum(sizes.values()))
    for name, count in counts.items():
        assert 0 <= count <= sizes[name]
        assert count == pytest.approx(densities[name] * sizes[name], abs=1 + 1e-6)


def test_erk_of_two_layers_by_hand() -> None:
    """Sums of dimensions 8 + 4 + 3 + 3 = 18 and 30 + 6 = 36: a third and two thirds."""
    shapes = {"conv": (8, 4, 3, 3), "fc": (30, 6)}
    assert erk_counts(shapes, 90) == {"conv": 30, "fc": 60}
    assert erk_counts(shapes, 91) == {"conv": 30, "fc": 61}  # 30 1/3 and 60 2/3
    assert erk_counts(shapes, 300) == {"conv": 120, "fc": 180}  # the second is whole


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 60), min_size=1), st.floats(0, 1))
def test_balanced_counts_are_those_of_dealing_out_one_by_one(sizes: dict[str, int], share: float) -> None:
    total = round(share * sum(sizes.values()))
    dealt, left = dict.fromkeys(sizes, 0), total
    while left:
        for name in sorted(sizes):
            if dealt[name] < sizes[name] and left:
                dealt[name] += 1
                left -= 1
    assert balanced_counts(sizes, total) == dealt


@pytest.mark.parametrize("total", [-1, 101])
def test_more_weights_than_there_are_cannot_be_kept(total: int) -> None:
    with pytest.raises(UserError, match=f"{total} weights are to be kept of 100"):
        balanced_counts({"a": 60, "b": 40}, total)
