"""The cumulative softmax against loops over numbers."""

import math
from itertools import accumulate

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.nets import cumax

numbers = st.floats(-30, 30)


def by_loops(values: list[float]) -> list[float]:
    exponentials = [math.exp(value - max(values)) for value in values]
    return list(accumulate(value / math.fsum(exponentials) for value in exponentials))


def close(found: list[float], right: list[float]) -> bool:
    return found == pytest.approx(right, abs=1e-12)


@given(st.lists(numbers, min_size=1, max_size=12))
def test_it_is_the_running_sum_of_a_softmax(values: list[float]) -> None:
    found = cumax(torch.tensor(values, dtype=torch.float64)).tolist()
    assert close(found, by_loops(values))
    assert found == sorted(found)
    assert found[-1] == pytest.approx(1, abs=1e-12)
    assert found[0] > 0


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.data())
def test_along_every_dimension(one: int, two: int, three: int, data: st.DataObject) -> None:
    size = one * two * three
    values = torch.tensor(data.draw(st.lists(numbers, min_size=size, max_size=size)), dtype=torch.float64)
    values = values.view(one, two, three)
    for dim in (0, 1, 2, -1, -2, -3):
        found = cumax(values, dim)
        assert found.shape == values.shape
        for line, right in zip(found.movedim(dim, 0).flatten(1).T, values.movedim(dim, 0).flatten(1).T, strict=True):
            assert close(line.tolist(), by_loops(right.tolist()))
    assert cumax(values).equal(cumax(values, 2))


def test_large_values_overflow_nothing() -> None:
    assert cumax(torch.tensor([1e4, 0.0, -1e4])).tolist() == [1, 1, 1]
    assert cumax(torch.tensor([-1e4, 0.0, 1e4])).tolist() == [0, 0, 1]


def test_gradcheck() -> None:
    values = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert all(torch.autograd.gradcheck(lambda x, dim=dim: cumax(x, dim), values) for dim in (0, 1, 2))
