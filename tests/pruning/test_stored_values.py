"""Surviving weights in fewer bits, compared with plain loops over rows."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from app.common.errors import UserError
from app.pruning.stored_values import TYPES, restore, store

shapes = st.lists(st.integers(0, 6), max_size=3).map(tuple)


def drawn(shape: tuple[int, ...], seed: int, density: float) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    weight = torch.randn(shape, generator=draw) * 10 ** torch.randint(-3, 3, shape, generator=draw).float()
    return weight, torch.rand(shape, generator=draw) < density


@settings(max_examples=100)
@given(shapes, st.integers(0, 99), st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from(sorted(TYPES)))
def test_what_comes_back(shape: tuple[int, ...], seed: int, density: float, kind: str) -> None:
    weight, mask = drawn(shape, seed, density)
    stored = store(weight, mask, TYPES[kind], "w")
    found = restore(stored, mask, weight.dtype)
    assert stored.values.dtype == TYPES[kind]
    assert len(stored.values) == int(mask.sum())
    assert found.dtype == weight.dtype
    assert not found[~mask].any()
    if kind != "int8":
        assert found.equal((weight * mask).to(TYPES[kind]).to(weight.dtype))
        return
    rows = zip(weight, mask, found, strict=True) if shape else [(weight, mask, found)]
    for row, kept, got in rows:
        largest = max((abs(value) for value in row[kept].tolist()), default=0.0)
        for value, near in zip(row[kept].tolist(), got[kept].tolist(), strict=True):
            assert abs(value - near) <= largest / 127 * (0.5 + 1e-4)
            assert math.copysign(1, near) == math.copysign(1, value) or near == 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_weights_of_another_precision_keep_theirs(dtype: torch.dtype) -> None:
    weight = torch.randn(4, 5).to(dtype)
    mask = weight > 0
    assert restore(store(weight, mask, dtype, "w"), mask, dtype).equal(weight.where(mask, 0))


def test_float32_keeps_what_is_not_finite() -> None:
    weight = torch.tensor([[math.nan, -math.inf, -0.0, 1e-45]])
    mask = torch.ones(1, 4, dtype=torch.bool)
    found = restore(store(weight, mask, torch.float32, "w"), mask, torch.float32)
    assert found.view(torch.int32).equal(weight.view(torch.int32))


@pytest.mark.parametrize(
    ("value", "kind", "why"),
    [(1e5, "float16", "too large"), (math.inf, "int8", "not finite"), (math.nan, "int8", "not finite")],
)
def test_what_a_type_cannot_hold_is_refused(value: float, kind: str, why: str) -> None:
    weight = torch.tensor([[1.0, value]])
    with pytest.raises(UserError, match=f"net.fc has weights that are {why} for {kind}; store them as float32"):
        store(weight, torch.ones(1, 2, dtype=torch.bool), TYPES[kind], "net.fc")
    store(weight, torch.tensor([[True, False]]), TYPES[kind], "net.fc")  # the pruned one does not count


def test_what_float64_holds_and_float32_does_not() -> None:
    with pytest.raises(UserError, match="too large for float32"):
        store(torch.tensor([1e300], dtype=torch.float64), torch.tensor([True]), torch.float32, "w")
