"""The compiled softmax and its gradients against PyTorch's in float64, and that it stays within its memory."""

import ctypes
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from app.common import float32_precision
from app.common.processor import flags
from app.nets import softmax
from app.nets.compiled_library import COMPILER, FLAGS
from app.nets.fused import compiled_softmax
from app.nets.fused.build import SOURCES, library

CODE = Path(__file__).with_name("guarded_softmax.cpp")
needs_compiler = pytest.mark.skipif(library() is None, reason="no C++ compiler")
pytestmark = needs_compiler


@pytest.fixture(scope="module", params=["as here", "without AVX-512"])
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The softmax with guarded memory, compiled for this processor, and for one without AVX-512."""
    without = request.param != "as here"
    if without and "avx512f" not in flags():
        pytest.skip("no AVX-512 to do without")
    path = tmp_path_factory.mktemp("guarded") / "softmax.so"
    compiler = shlex.split(os.environ.get("CXX", COMPILER))
    more = ["-mno-avx512f"] if without else []
    subprocess.run([*compiler, *FLAGS, *more, f"-I{SOURCES.folder}", CODE, "-o", path], check=True)
    return path


@pytest.fixture(scope="module")
def compiled(guarded: Path) -> Iterator[None]:
    """As many threads as torch has, however small the work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_softmax, "library", lambda: ctypes.CDLL(str(guarded)))
        patch.setattr(compiled_softmax, "WORTH_A_THREAD", 1)
        yield


def test_stays_within_its_memory(guarded: Path) -> None:
    """In a process of its own, which a touched guard page ends."""
    code = "import ctypes, sys; ctypes.CDLL(sys.argv[1]).run_guarded()"
    done = subprocess.run([sys.executable, "-c", code, guarded], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-100:]
    assert len(done.stderr.splitlines()) == 10 * 5 * 5 * 2 * 2 * 2


def drawn(count: int, features: int, words: int, *, strided: bool = False) -> tuple[list[Tensor], Tensor]:
    """Features, weight and bias in float64, of the numbers that float32 has; and targets."""
    draw = torch.Generator().manual_seed(count * 1000 + words)
    step = 2 if strided else 1
    hidden, weight = (torch.randn(step * features, size, generator=draw).t() for size in (count, words))
    bias = torch.randn(step * words, generator=draw)
    tensors = [each.double() if strided else each.double().contiguous() for each in (hidden, weight, bias)]
    hidden, weight, bias = tensors
    targets = torch.randint(words, (step * count,), generator=draw)
    return [hidden[:, ::step], weight[:, ::step], bias[::step]], targets[::step]


# A smaller loss is the difference of terms of about 1, which cancel: it has the absolute error of these, and so has its
# gradient.
CERTAIN = 1e-2


def relative(found: Tensor, right: Tensor, least: float = 1e-3) -> float:
    return float((found.detach().double() - right.detach()).norm() / (right.detach().norm() + least))


@settings(max_examples=40, deadline=None)
@given(
    *(st.integers(1, 300), st.integers(1, 70), st.integers(1, 400), st.integers(1, 4)),
    *(st.booleans(), st.sampled_from([torch.float32, torch.float64])),
)
def test_equals_float64(
    compiled: None, count: int, features: int, words: int, threads: int, strided: bool, precision: torch.dtype
) -> None:
    check(count, features, words, threads, precision, strided=strided)


@pytest.mark.parametrize("count", [127, 128, 129, 481, 500, 511, 512])
def test_equals_float64_where_blocks_end(compiled: None, count: int) -> None:
    for words in (95, 96, 97, 193):
        check(count, 17, words, 2, torch.float64)


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_equals_float64_where_predictions_are_nearly_certain(compiled: None, precision: torch.dtype) -> None:
    check(1, 21, 2, 1, precision)


def check(
    count: int, features: int, words: int, threads: int, precision: torch.dtype, *, strided: bool = False
) -> None:
    exact, targets = drawn(count, features, words, strided=strided)
    mine = [each.to(precision).requires_grad_() for each in exact]
    for each in exact:
        each.requires_grad_()
    right = F.cross_entropy(F.linear(*exact), targets)
    (right * 3).backward()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = softmax.softmax_loss(*mine, targets)
        (found * 3).backward()
        with torch.no_grad():
            assert torch.equal(softmax.softmax_loss(*mine, targets), found)
    finally:
        torch.set_num_threads(before)
    most = 1e-13 if precision == torch.float64 else 4e-6
    certain = 0 < right < CERTAIN
    assert (abs(found - right) <= torch.finfo(precision).eps) if certain else (relative(found, right) <= most)
    for one, other in zip(mine, exact, strict=True):
        assert one.grad.shape == one.shape
        assert relative(one.grad, other.grad, least=1 if certain else 1e-3) <= most


def test_as_exact_as_blocks_of_rows(compiled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The errors of float32 are those of the way that is taken without a compiler, or less."""
    exact, targets = drawn(500, 200, 3000)
    right = [each.requires_grad_() for each in exact]
    F.cross_entropy(F.linear(*right), targets).backward()
    errors = []
    for way in (compiled_softmax.library, lambda: None):
        monkeypatch.setattr(compiled_softmax, "library", way)
        mine = [each.detach().float().requires_grad_() for each in exact]
        softmax.softmax_loss(*mine, targets).backward()
        errors.append([relative(one.grad, other.grad) for one, other in zip(mine, right, strict=True)])
    assert all(ours <= 2 * theirs for ours, theirs in zip(*errors, strict=True)), errors


def test_the_graph_can_be_kept(compiled: None) -> None:
    """A second pass backwards adds the same gradient."""
    tensors, targets = drawn(5, 4, 6)
    leaves = [each.requires_grad_() for each in tensors]
    loss = softmax.softmax_loss(*leaves, targets)
    loss.backward(retain_graph=True)
    once = [each.grad.clone() for each in leaves]
    loss.backward()
    assert all(torch.equal(each.grad, 2 * before) for each, before in zip(leaves, once, strict=True))


@pytest.mark.parametrize("target", [-1, 6])
def test_a_word_outside_the_vocabulary_is_refused(compiled: None, target: int) -> None:
    tensors, targets = drawn(5, 4, 6)
    targets[2] = target
    for grad in (True, False):
        tensors[1].requires_grad_(grad)
        with pytest.raises(IndexError, match=f"target {target} is out of bounds for 6 words"):
            softmax.softmax_loss(*tensors, targets)


def test_shapes_that_do_not_fit_are_refused(compiled: None) -> None:
    (hidden, weight, bias), targets = drawn(5, 4, 6)
    for wrong in (
        (hidden[:, :3], weight, bias, targets),
        (hidden, weight, bias[:5], targets),
        (hidden, weight, bias, targets[:4]),
    ):
        with pytest.raises(ValueError, match="do not fit each other"):
            softmax.softmax_loss(*wrong)


@pytest.mark.parametrize(("value", "right"), [(1e4, 2e4), (float("nan"), float("nan")), (float("inf"), float("nan"))])
@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_extreme_scores(compiled: None, value: float, right: float, precision: torch.dtype) -> None:
    """Finite ones stay finite; nan and infinity are seen in the loss."""
    weight, bias, targets = torch.tensor([[1.0], [-1.0]]), torch.zeros(2), torch.tensor([1])
    hidden = torch.tensor([[value]], dtype=precision, requires_grad=True)
    loss = softmax.softmax_loss(hidden, weight.to(precision), bias.to(precision), targets)
    loss.backward()
    assert loss.item() == pytest.approx(right, nan_ok=True)
    assert hidden.grad.isfinite().all() == (value == 1e4)


def test_a_word_that_is_ruled_out(compiled: None) -> None:
    """A bias of minus infinity: its probability is 0, in whichever chunk it is."""
    tensors, targets = drawn(9, 4, 300)
    tensors[2][:150] = -torch.inf
    leaves, targets = [each.float().requires_grad_() for each in tensors], targets // 2 + 150
    loss = softmax.softmax_loss(*leaves, targets)
    loss.backward()
    right = F.cross_entropy(F.linear(tensors[0], tensors[1][150:], tensors[2][150:]), targets - 150)
    assert loss.item() == pytest.approx(right.item(), rel=1e-6)
    assert leaves[2].grad[:150].abs().max() < 1e-30


# --- when it is used


def test_products_in_bfloat16_are_left_to_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--matmul_precision medium`, where it does something."""
    tensors, targets = drawn(5, 4, 6)
    measured = {float32_precision.PRODUCTS: float32_precision.BFLOAT16}
    monkeypatch.setattr(float32_precision, "measured", lambda device: measured)
    assert not compiled_softmax.usable(*(each.float() for each in tensors), targets)
    assert softmax.implementations("cpu")["softmax"].startswith("blocks of 256 rows")
    assert compiled_softmax.usable(*tensors, targets)  # of float64
    measured[float32_precision.PRODUCTS] = float32_precision.FLOAT32
    assert compiled_softmax.usable(*(each.float() for each in tensors), targets)
    assert softmax.implementations("cpu")["softmax"].startswith("compiled ")


def test_tensors_that_are_not_plain_are_left_to_torch() -> None:
    tensors, targets = drawn(5, 4, 6)
    assert not compiled_softmax.usable(tensors[0].float(), *tensors[1:], targets)
    assert not compiled_softmax.usable(*tensors, targets.int())

    def loss(weight: Tensor) -> Tensor:
        return softmax.softmax_loss(tensors[0], weight, tensors[2], targets)

    with torch.no_grad():
        stacked = torch.func.vmap(loss)(torch.stack([tensors[1], 2 * tensors[1]]))
        assert torch.allclose(stacked[1], loss(2 * tensors[1]))
