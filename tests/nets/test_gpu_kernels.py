"""The GPU's kernels: on a GPU where there is one, else in Triton's interpreter, which runs them on the CPU."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

pytest.importorskip("triton", reason="Triton is not installed")

from app.common.gpu_kernels import SWITCH, choose, chosen
from app.nets import LSTM, ONLSTM
from app.nets.fused.gpu import available, sequence, softmax, steps
from app.nets.recurrent import RecurrentLayer
from app.nets.softmax import softmax_loss

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# T, B, features, H, and the chunk size; 0 for an LSTM.
SHAPES = [
    (1, 1, 3, 20, 20),
    (2, 1, 7, 12, 1),
    (3, 9, 6, 20, 4),
    (3, 2, 6, 30, 10),
    (3, 3, 5, 60, 5),
    (5, 2, 6, 20, 0),
    (2, 9, 4, 300, 0),
]
by_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def layer_of(features: int, hidden: int, chunk: int) -> RecurrentLayer:
    torch.manual_seed(0)
    net = ONLSTM(features, [hidden], chunk) if chunk else LSTM(features, [hidden])
    return net.to(DEVICE).layers[0]


def inputs_of(layer: RecurrentLayer, time: int, batch: int) -> list[Tensor]:
    x = torch.randn(time, batch, layer.input_size, device=DEVICE)
    h, c = torch.randn(2, batch, layer.hidden_size, device=DEVICE)
    tensors = x, layer.weight_ih, layer.bias_ih + layer.bias_hh, layer.weight_hh, h, c
    return [one.detach().requires_grad_() for one in tensors]


def error(found: Tensor, right: Tensor) -> float:
    found, right = found.detach().double(), right.detach().double()
    return float((found - right).norm() / right.norm().clamp_min(1e-30))


def outputs_and_gradients(read: Any, inputs: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    outputs, c, distances = read(*inputs)
    weight = torch.linspace(-1, 1, outputs.numel(), device=DEVICE, dtype=outputs.dtype).view_as(outputs)
    gradients = torch.autograd.grad((outputs * weight).sum() + c.square().sum(), inputs)
    return [outputs.detach(), c.detach(), distances], list(gradients)


def compared(shape: tuple[int, ...], kind: torch.dtype) -> float:
    """The largest relative error of an output or gradient against the eager layer in float64."""
    time, batch, features, hidden, chunk = shape
    layer = layer_of(features, hidden, chunk)
    inputs = inputs_of(layer, time, batch)
    exact = [one.detach().double().requires_grad_() for one in inputs]
    right = outputs_and_gradients(layer.read_eagerly, exact)
    found = outputs_and_gradients(lambda *each: sequence.read(layer.cell, layer.read_eagerly, kind, *each), inputs)
    pairs = zip([*found[0], *found[1]], [*right[0], *right[1]], strict=True)
    return max(error(mine, its) for mine, its in pairs)


@pytest.fixture(autouse=True)
def _quiet_interpreter() -> Iterator[None]:
    """The interpreter computes what a mask leaves out, too, such as -inf minus -inf."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        yield


@by_shape
def test_float32_is_the_eager_layer(shape: tuple[int, ...]) -> None:
    assert compared(shape, torch.float32) < 1e-5


@pytest.mark.parametrize("shape", SHAPES[3:6:2], ids=str)
def test_bfloat16_products_are_within_two_hundredths(shape: tuple[int, ...]) -> None:
    assert 1e-5 < compared(shape, torch.bfloat16) < 2e-2


def test_sequences_of_any_length_and_batch_share_their_places() -> None:
    """A shorter sequence after a longer one, and a smaller batch after a larger one, read nothing of them."""
    layer = layer_of(4, 20, 5)

    def read(time: int, batch: int) -> tuple[float, float]:
        torch.manual_seed(time)
        inputs = inputs_of(layer, time, batch)
        fused = outputs_and_gradients(
            lambda *each: sequence.read(layer.cell, layer.read_eagerly, torch.float32, *each), inputs
        )
        eager = outputs_and_gradients(layer.read_eagerly, inputs)
        return tuple(max(map(error, mine, its)) for mine, its in zip(fused, eager, strict=True))  # type: ignore[return-value]

    before = len(steps.PLANS)
    for time, batch in ((4, 5), (2, 5), (3, 2)):
        assert max(read(time, batch)) < 1e-5
    assert len(steps.PLANS) <= before + 1


def test_few_plans_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "MOST_PLANS", 2)
    layer = layer_of(2, 4, 2)
    for batch in (1, 9, 17):
        with torch.no_grad():
            sequence.read(layer.cell, layer.read_eagerly, torch.float32, *inputs_of(layer, 1, batch))
    assert len(steps.PLANS) == 2


def test_only_what_is_needed_gets_a_gradient() -> None:
    layer = layer_of(3, 20, 5)
    inputs = [one.detach() for one in inputs_of(layer, 3, 2)]
    inputs[3].requires_grad_()
    outputs, c, distances = sequence.read(layer.cell, layer.read_eagerly, torch.float32, *inputs)
    assert not distances.requires_grad
    (found,) = torch.autograd.grad(outputs.sum(), inputs[3])
    (right,) = torch.autograd.grad(layer.read_eagerly(*inputs)[0].sum(), inputs[3])
    assert error(found, right) < 1e-5
    assert c.requires_grad


def test_second_derivatives_are_those_of_the_eager_layer() -> None:
    layer = layer_of(3, 20, 5)
    inputs = inputs_of(layer, 3, 2)

    def second(read: Any) -> Tensor:
        (first,) = torch.autograd.grad(read(*inputs)[0].square().sum(), inputs[0], create_graph=True)
        return torch.autograd.grad(first.square().sum(), inputs[3])[0]

    found = second(lambda *each: sequence.read(layer.cell, layer.read_eagerly, torch.float32, *each))
    assert error(found, second(layer.read_eagerly)) < 1e-5


def test_what_diverges_is_not_hidden() -> None:
    layer = layer_of(3, 20, 5)
    inputs = inputs_of(layer, 3, 2)
    with torch.no_grad():
        inputs[0][1, 0, 0] = torch.nan
    outputs, _, _ = sequence.read(layer.cell, layer.read_eagerly, torch.float32, *inputs)
    assert outputs[1:, 0].isnan().all()
    assert outputs[:, 1].isfinite().all()
    assert outputs[0].isfinite().all()


@pytest.mark.parametrize(("rows", "features", "words"), [(5, 7, 13), (2, 8, 2050), (1, 4, 1024)])
@pytest.mark.parametrize(("kind", "limit"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_loss_of_the_softmax(rows: int, features: int, words: int, kind: torch.dtype, limit: float) -> None:
    torch.manual_seed(0)
    hidden, weight, bias = torch.randn(rows, features), 3 * torch.randn(words, features), torch.randn(words)
    leaves = [one.to(DEVICE).requires_grad_() for one in (hidden, weight, bias)]
    targets = torch.randint(words, (rows,), device=DEVICE)
    found = softmax.loss(*leaves, targets, kind)
    exact = [one.detach().double().requires_grad_() for one in leaves]
    right = F.cross_entropy(F.linear(*exact), targets)
    assert error(found, right) < limit
    pairs = zip(torch.autograd.grad(3 * found, leaves), torch.autograd.grad(3 * right, exact), strict=True)
    assert max(error(mine, its) for mine, its in pairs) < limit


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_loss_of_the_softmax_shows_what_diverges(wrong: float) -> None:
    hidden, weight, bias = torch.ones(2, 3), torch.ones(5, 3), torch.zeros(5)
    hidden[0, 0] = wrong
    leaves = [one.to(DEVICE).requires_grad_() for one in (hidden, weight, bias)]
    loss = softmax.loss(*leaves, torch.tensor([1, 2], device=DEVICE), torch.float32)
    assert not loss.isfinite()


@pytest.mark.parametrize("target", [-100, -1, 5])
def test_a_target_that_is_no_word_makes_the_loss_nan(target: int) -> None:
    leaves = [one.to(DEVICE).requires_grad_() for one in (torch.randn(2, 3), torch.randn(5, 3), torch.zeros(5))]
    loss = softmax.loss(*leaves, torch.tensor([1, target], device=DEVICE), torch.float32)
    assert loss.isnan()
    assert torch.autograd.grad(loss, leaves)[0][1].isnan().all()


def test_targets_may_be_a_column() -> None:
    torch.manual_seed(0)
    leaves = [one.to(DEVICE).requires_grad_() for one in (torch.randn(3, 4), torch.randn(5, 4), torch.zeros(5))]
    targets = torch.tensor([[1, 0], [2, 0], [4, 0]], device=DEVICE)[:, 0]
    right = F.cross_entropy(F.linear(*leaves), targets)
    assert error(softmax.loss(*leaves, targets, torch.float32), right) < 1e-5


@pytest.mark.parametrize("has_chunks", [True, False])
def test_the_trial_finds_them_right(has_chunks: bool) -> None:
    exact, rounded = available.trial(has_chunks, torch.device(DEVICE))
    assert exact < available.TOLERANCE < rounded < available.BF16_TOLERANCE


def test_the_trial_finds_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    right = sequence.into_float32
    monkeypatch.setattr(sequence, "into_float32", lambda x, y: 1.001 * right(x, y))
    assert available.trial(False, torch.device(DEVICE))[0] > available.TOLERANCE


def test_layers_of_many_units_with_tiny_chunks_stay_eager() -> None:
    cell = layer_of(2, 20, 5).cell
    assert available.LARGEST_TILE == 8192
    assert not available.usable(cell, 100_000, torch.device("cuda", 0))
    assert not available.usable(cell, 20, torch.device("cpu"))


def test_they_are_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "0")
    assert not chosen()
    assert not available.works(True, torch.device("cuda", 0))


def test_a_command_can_switch_them_off() -> None:
    assert chosen()
    choose(False)
    try:
        assert not chosen()
    finally:
        choose(True)


def test_without_a_working_card_one_line_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "an old card")
    available.tried.cache_clear()
    try:
        assert not available.works(True, torch.device("cuda", 0))
        assert not available.works(True, torch.device("cuda", 0))
    finally:
        available.tried.cache_clear()
    (line,) = caplog.messages
    assert line == (
        "The recurrent layers run eagerly on an old card, more slowly: compute capability 7.5; the kernels need 8.0"
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_on_a_gpu_they_are_used() -> None:
    device = torch.device("cuda", torch.cuda.current_device())
    assert available.works(True, device)
    assert available.works(False, device)
    layer = layer_of(3, 20, 5)
    inputs = inputs_of(layer, 70, 2)
    layer.read_eagerly = None  # type: ignore[assignment, method-assign]
    h, c = inputs[4:]
    assert layer(inputs[0], h, c)[0].isfinite().all()
    hidden = torch.randn(4, 8, device=device, requires_grad=True)
    loss = softmax_loss(
        hidden, torch.randn(9, 8, device=device), torch.zeros(9, device=device), torch.zeros(4, device=device).long()
    )
    assert type(loss.grad_fn).__name__ == "_LossBackward"
