"""Recurrent layers with masked weights on their survivors alone, against the eager dense layer in float64."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from app.nets import LSTM, ONLSTM, RecurrentNet, sparsify
from app.nets.sparse import build
from app.nets.sparse.pattern import FUNCTIONS

FEATURES = 11
NETS: dict[str, Callable[..., RecurrentNet]] = {
    "ON-LSTM": lambda **options: ONLSTM(FEATURES, [12, 8], 4, **options),
    "LSTM": lambda **options: LSTM(FEATURES, [9, 7], **options),
}
# Relative; what is left of sums that nearly cancel has fewer digits than in a linear layer.
TOLERANCE = {torch.float32: 5e-5, torch.float64: 1e-12}
by_net = pytest.mark.parametrize("make", NETS.values(), ids=NETS)


def masks_of(net: RecurrentNet, density: float) -> dict[str, Tensor]:
    """Masks of all weights, applied to them."""
    masks = {name: torch.rand_like(net.get_parameter(name)) < density for name in net.prunable_parameters()}
    with torch.no_grad():
        for name, mask in masks.items():
            net.get_parameter(name).mul_(mask)
    return masks


def read(net: RecurrentNet, x: Tensor, states: list[Tensor]) -> list[Tensor]:
    """Outputs, last states, distances, and the gradients of a sum that depends on all but the last."""
    torch.manual_seed(8)
    x = x.detach().clone().requires_grad_()
    states = [state.detach().clone().requires_grad_() for state in states]
    half = len(states) // 2
    outputs, (h, c), distances = net(x, (states[:half], states[half:]))
    weights = torch.linspace(-1, 1, outputs.numel(), dtype=outputs.dtype).view_as(outputs)
    loss = (outputs * weights).sum() + sum((each.square().sum() for each in (*h, *c)), torch.zeros(()))
    gradients = torch.autograd.grad(loss, [x, *states, *net.parameters()])
    return [each.detach() for each in (outputs, *h, *c, distances, *gradients)]


def check(net: RecurrentNet, density: float, time: int, batch: int, precision: torch.dtype) -> None:
    masks = masks_of(net, density)
    sparse = copy.deepcopy(net).to(precision)
    assert sparsify(sparse, masks) == [f"layers.{depth}" for depth in range(len(net.layers))]
    net.double().implementation = "eager"
    x = torch.randn(time, batch, FEATURES, dtype=torch.float64)
    sizes = [layer.hidden_size for layer in net.layers] * 2
    states = [torch.randn(batch, size, dtype=torch.float64) for size in sizes]
    expected = read(net, x, states)
    first = len(expected) - len(list(net.parameters()))
    for place, (name, _) in enumerate(net.named_parameters(), start=first):
        if name in masks:
            expected[place] *= masks[name]
    found = read(sparse, x.to(precision), [state.to(precision) for state in states])
    for one, reference in zip(found, expected, strict=True):
        assert one.shape == reference.shape
        assert float((one - reference).norm()) <= TOLERANCE[precision] * float(reference.norm())


@pytest.fixture(autouse=True)
def _drawn() -> None:
    torch.manual_seed(4)


@by_net
@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize(("time", "batch"), [(1, 1), (7, 3), (5, 20), (2, 60), (3, 131)])
def test_values_and_gradients(make: Callable[..., RecurrentNet], time: int, batch: int, precision: torch.dtype) -> None:
    check(make(), 0.3, time, batch, precision)


@by_net
@pytest.mark.parametrize("density", [0.0, 0.01, 1.0])
def test_densities(make: Callable[..., RecurrentNet], density: float) -> None:
    """Among them empty rows, empty weights and whole ones."""
    check(make(), density, 4, 18, torch.float64)


@by_net
@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_weight_dropout_draws_the_same(make: Callable[..., RecurrentNet], inverted: bool, training: bool) -> None:
    net = make(weight_dropout=0.5, weight_dropout_inverted=inverted, dropout=0.3).double()
    masks = masks_of(net, 0.4)
    sparse = copy.deepcopy(net)
    sparsify(sparse, masks)
    x = torch.randn(6, 5, FEATURES, dtype=torch.float64)
    found = []
    for each in (net.train(training), sparse.train(training)):
        torch.manual_seed(6)
        found.append(each(x)[0])
    assert torch.allclose(*found, rtol=0, atol=1e-12)


@by_net
def test_threads_do_not_change_bits(make: Callable[..., RecurrentNet], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.nets.sparse.recurrent.WORTH_A_THREAD", 1)
    net, threads = make(), torch.get_num_threads()
    sparsify(net, masks_of(net, 0.4))
    x = torch.randn(6, 23, FEATURES)
    h, c = net.initial_state(23)
    found = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(read(net, x, [*h, *c]))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


@by_net
def test_second_derivatives(make: Callable[..., RecurrentNet]) -> None:
    net = make().double()
    masks = masks_of(net, 0.5)
    x = torch.randn(3, 2, FEATURES, dtype=torch.float64, requires_grad=True)
    found = []
    for how in ("eager", "sparse"):
        if how == "sparse":
            sparsify(net, masks)
        net.implementation = "eager" if how == "eager" else "fused"
        weights = [net.get_parameter(name) for name in masks]
        first = torch.autograd.grad(net(x)[0].square().sum(), weights, create_graph=True)
        kept = [gradient * mask for gradient, mask in zip(first, masks.values(), strict=True)]
        found.append(torch.autograd.grad(sum(each.square().sum() for each in kept), x)[0])  # type: ignore[union-attr]
    assert torch.allclose(*found, rtol=1e-9, atol=1e-12)


@by_net
def test_dense_where_the_compiled_code_is_not_for(
    make: Callable[..., RecurrentNet], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = make()
    masks = masks_of(net, 0.5)
    x = torch.randn(5, 4, FEATURES)
    expected = net(x)[0].detach()
    sparsify(net, masks)
    if build.library() is not None:
        with monkeypatch.context() as patch:
            patch.setitem(FUNCTIONS, ("recurrent", torch.float32), None)
            with pytest.raises(TypeError):
                net(x)
            with torch.autocast("cpu", torch.bfloat16):
                assert torch.allclose(net(x)[0], expected, atol=0.05)
    monkeypatch.setattr(build, "library", lambda: None)
    assert torch.allclose(net(x)[0], expected, atol=1e-6)


def test_an_input_of_another_size_is_told_as_by_the_dense_layer() -> None:
    net = NETS["LSTM"]()
    layer = net.layers[0]
    sparsify(net, masks_of(net, 0.5))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        layer(torch.randn(5, 2, FEATURES + 1), torch.zeros(2, 9), torch.zeros(2, 9))
