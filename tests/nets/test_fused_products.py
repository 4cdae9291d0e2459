"""Products through torch's private operators, and without them."""

import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.common.processor import flags
from app.nets import LSTM
from app.nets.fused import native, products
from app.nets.fused.build import library
from app.nets.fused.cells import Cell
from app.nets.fused.products import onednn, product, repeated

ZEROS = SimpleNamespace(
    _linear_pointwise=lambda x, weight, *_: x.new_zeros(len(x), len(weight)),
    _reorder_linear_weight=lambda weight, _: weight,
)


def refuses(*_: Any) -> None:
    raise RuntimeError("mkldnn::_linear_pointwise() expected at most 5 arguments\nand a long list of them")


@pytest.fixture
def asked_again() -> Iterator[None]:
    """Forget after the test which operators were found."""
    onednn.cache_clear()
    yield
    onednn.cache_clear()


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch is built without oneDNN")
def test_torch_still_has_the_operators() -> None:
    """Fails with a release of torch that moves the operators; the layers would then work without them, more slowly."""
    assert onednn() is not None


@given(
    st.tuples(*[st.integers(1, 40)] * 3), st.booleans(), st.booleans(), st.sampled_from([torch.float32, torch.float64])
)
def test_it_is_the_product(sizes: tuple[int, int, int], turned: bool, biased: bool, dtype: torch.dtype) -> None:
    m, n, k = sizes
    draw = torch.Generator().manual_seed(m + 64 * n)
    x, weight = (torch.randint(-9, 9, size, generator=draw).to(dtype) for size in ((m, k), (n, k)))
    bias = torch.arange(n, dtype=dtype) if biased else None
    if turned:
        x, weight = (one.t().contiguous().t() for one in (x, weight))
    right = (x.unsqueeze(1) * weight).sum(-1)
    assert repeated(weight, m)(x).equal(right)
    assert product(x, weight, bias).equal(right if bias is None else right + bias)


@pytest.mark.parametrize(
    ("operators", "says"),
    [
        (SimpleNamespace(), "_linear_pointwise"),
        (SimpleNamespace(_linear_pointwise=refuses), "at most 5 arguments"),
        (ZEROS, "another result"),
    ],
    ids=["missing", "called otherwise", "changed"],
)
@pytest.mark.usefixtures("asked_again")
def test_without_the_operators(
    operators: Any, says: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.ops, "mkldnn", operators)
    with caplog.at_level(logging.INFO, products.__name__):
        assert onednn() is None
        x, weight = torch.eye(3), torch.arange(6.0).view(2, 3)
        assert product(x, weight, torch.ones(2)).equal(weight.t() + 1)
        assert repeated(weight, 3)(x).equal(weight.t())
    (told,) = caplog.messages
    assert says in told
    assert "\n" not in told


def error(found: torch.Tensor, right: torch.Tensor) -> float:
    return float((found.double() - right).norm() / right.norm())


@pytest.mark.skipif(
    "amx_bf16" not in flags() or onednn() is None, reason="oneDNN rounds float32 to bfloat16 with AMX alone"
)
def test_the_chosen_precision_reaches_the_operators_and_not_the_compiled_steps() -> None:
    draw = torch.Generator().manual_seed(0)
    x, weight = torch.randn(40, 96, generator=draw), torch.randn(64, 96, generator=draw)
    right = x.double() @ weight.double().t()
    cell, steps = LSTM(8, [24]).layers[0].cell, 6
    gates = torch.randn(steps, 20, 96, generator=draw)
    recurrent, (h, c) = torch.randn(96, 24, generator=draw) / 5, torch.zeros(2, 20, 24)
    exact = native_or_none(cell, gates.double(), recurrent.double(), h.double(), c.double())
    packed_before = repeated(weight, 40)
    try:
        torch.set_float32_matmul_precision("medium")
        for found in (product(x, weight), repeated(weight, 40)(x), packed_before(x)):
            assert 1e-3 < error(found, right) < 4e-3
        found = native_or_none(cell, gates.clone(), recurrent, h, c)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert error(product(x, weight), right) < 1e-6
    if exact is not None and found is not None:
        assert error(found, exact) < 1e-6


def native_or_none(cell: Cell, *tensors: torch.Tensor) -> torch.Tensor | None:
    """Outputs of the compiled steps; None where there is no compiler."""
    return None if library() is None else native.forward_steps(cell, *tensors)[0]
