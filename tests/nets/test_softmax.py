"""The loss in blocks of rows, and its gradients, against PyTorch's own; the compiled one is in another file."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from app.nets import softmax
from app.nets.fused import bf16, compiled_softmax
from app.nets.softmax import ROWS, log_softmax_parts, softmax_loss


@pytest.fixture(autouse=True, scope="module")
def in_blocks() -> Iterator[None]:
    """Without the compiled library."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_softmax, "library", lambda: None)
        yield


def inputs(rows: int, features: int, words: int, dtype: torch.dtype) -> tuple[list[Tensor], Tensor]:
    draw = torch.Generator().manual_seed(rows * 1000 + words)
    shapes = ((rows, features), (words, features), (words,))
    tensors = [torch.randn(shape, generator=draw, dtype=torch.float64).to(dtype) for shape in shapes]
    return tensors, torch.randint(words, (rows,), generator=draw)


def plain(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(F.linear(hidden, weight, bias), targets)


@given(rows=st.integers(1, 300), features=st.integers(1, 5), words=st.integers(1, 9))
def test_equals_cross_entropy(rows: int, features: int, words: int) -> None:
    tensors, targets = inputs(rows, features, words, torch.float64)
    found = [tensor.clone().requires_grad_() for tensor in tensors]
    expected = [tensor.clone().requires_grad_() for tensor in tensors]
    for function, leaves in ((softmax_loss, found), (plain, expected)):
        loss = function(*leaves, targets)
        (loss * 3).backward()
    with torch.no_grad():
        assert torch.allclose(softmax_loss(*tensors, targets), plain(*tensors, targets), rtol=1e-12, atol=1e-12)
    assert torch.allclose(softmax_loss(*found, targets), plain(*expected, targets), rtol=1e-12, atol=1e-12)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours.grad, theirs.grad, rtol=1e-12, atol=1e-12)


def test_float32_within_rounding() -> None:
    tensors, targets = inputs(1_400, 20, 500, torch.float32)
    found = [tensor.clone().requires_grad_() for tensor in tensors]
    softmax_loss(*found, targets).backward()
    exact = [tensor.double().requires_grad_() for tensor in tensors]
    plain(*exact, targets).backward()
    for ours, theirs in zip(found, exact, strict=True):
        assert (ours.grad - theirs.grad).abs().max() <= 2e-6 * theirs.grad.abs().max()


def test_takes_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the tests above would test one block only."""
    sizes = []

    def spy(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        sizes.append(len(x))
        return F.linear(x, weight, bias)

    monkeypatch.setattr(softmax, "product", spy)
    tensors, targets = inputs(300, 2, 5, torch.float64)
    softmax_loss(*tensors, targets)
    assert sizes == [256, 44]


def test_only_what_needs_a_gradient_gets_one() -> None:
    (hidden, weight, bias), targets = inputs(10, 3, 4, torch.float64)
    weight.requires_grad_()
    softmax_loss(hidden, weight, bias, targets).backward()
    assert hidden.grad is None
    assert bias.grad is None
    assert weight.grad is not None


def test_under_autocast_without_the_kernels_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's loss where its bfloat16 is fast, else that of float32."""
    tensors, targets = inputs(20, 8, 16, torch.float32)
    monkeypatch.setattr(bf16, "instructions", lambda: None)
    exact = softmax_loss(*tensors, targets)
    with torch.autocast("cpu", torch.bfloat16):
        monkeypatch.setattr(bf16, "outer_precision", lambda: torch.bfloat16)
        assert torch.equal(softmax_loss(*tensors, targets), plain(*tensors, targets))
        monkeypatch.setattr(bf16, "outer_precision", lambda: torch.float32)
        assert torch.equal(softmax_loss(*tensors, targets), exact)


def test_extreme_scores_stay_finite() -> None:
    hidden = torch.tensor([[1e4]], requires_grad=True)
    weight, bias = torch.tensor([[1.0], [-1.0]]), torch.zeros(2)
    loss = softmax_loss(hidden, weight, bias, torch.tensor([1]))
    loss.backward()
    assert loss.item() == pytest.approx(2e4)
    assert hidden.grad.item() == pytest.approx(2.0)


@pytest.mark.parametrize("rows", [1, ROWS - 1, ROWS, 2 * ROWS + 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_softmax_in_parts(rows: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    hidden, weight, bias = (torch.randn(*size, dtype=dtype) for size in ((rows, 7), (50, 7), (50,)))
    parts = list(log_softmax_parts(hidden, weight, bias))
    assert all(len(part) == ROWS for part in parts[:-1])
    torch.testing.assert_close(torch.cat(parts), F.log_softmax(F.linear(hidden, weight, bias), 1))


def test_half_precision_is_left_to_torch() -> None:
    """In half precision, sums over many blocks would lose digits."""
    tensors, targets = inputs(600, 8, 50, torch.bfloat16)
    found = []
    for loss in (softmax_loss, lambda x, weight, bias, words: F.cross_entropy(F.linear(x, weight, bias), words)):
        leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
        value = loss(*leaves, targets)
        value.backward()
        found.append([value, *(leaf.grad for leaf in leaves)])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
