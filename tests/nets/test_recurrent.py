"""Both recurrent nets: where dropout acts, states, shapes, precision."""

import copy
from typing import Any

import pytest
import torch
from helpers.language import NETS
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from app.common.errors import UserError
from app.common.used_kernels import kernels
from app.nets import LSTM, ONLSTM, RecurrentNet
from app.nets.recurrent import RecurrentLayer

pytestmark = pytest.mark.usefixtures("implementation")

TIME, BATCH, FEATURES = 5, 3, 4
P = 0.4
by_net = pytest.mark.parametrize("make", NETS.values(), ids=NETS)


def build(make: Any, **dropouts: Any) -> RecurrentNet:
    torch.manual_seed(0)
    return make(**dropouts).double()


def some_input(time: int = TIME, batch: int = BATCH) -> Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.randn(time, batch, FEATURES, dtype=torch.float64, generator=draw)


def flat(result: tuple) -> list[Tensor]:
    output, (h, c), distances = result
    return [output, *h, *c, distances]


def assert_same(one: tuple, other: tuple, tolerance: float = 0.0) -> None:
    for a, b in zip(flat(one), flat(other), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance)


@by_net
def test_shapes(make: Any) -> None:
    net = build(make)
    output, (h, c), distances = net(some_input())
    assert output.shape == (TIME, BATCH, 4)
    assert [tuple(x.shape) for x in h] == [tuple(x.shape) for x in c] == [(BATCH, 6), (BATCH, 4)]
    assert distances.shape == (2, TIME, BATCH)
    assert h[-1].equal(output[-1])
    assert (net.input_size, net.output_size) == (FEATURES, 4)
    assert (distances > 0).all()
    assert (distances < 1).all()


@by_net
def test_it_reads_as_it_was_told(make: Any, implementation: str) -> None:
    """Otherwise these tests would run one implementation twice."""
    read = build(make).layers[0](some_input(), *torch.zeros(2, BATCH, 6, dtype=torch.float64))[0].grad_fn
    assert (type(read).__name__ == "_SequenceBackward") is (implementation == "fused")


def gradients(net: RecurrentNet, x: Tensor, state: Any, of: tuple[bool, ...], leaves: list[Tensor]) -> list[Any]:
    """Gradients of random linear combinations of the outputs, the last h and the last c, as far as requested."""
    torch.manual_seed(7)
    output, (h, c), _ = net(x, state)
    values = [value for value, wanted in zip((output, h[-1], c[0], c[-1]), of, strict=True) if wanted]
    loss = sum((value * torch.randn_like(value)).sum() for value in values)
    return list(torch.autograd.grad(loss, leaves, allow_unused=True)) if leaves else []


@settings(max_examples=40)
@given(
    st.sampled_from(list(NETS)), st.integers(1, 4), st.sampled_from([0.1, 1.0, 30.0]), st.booleans(), st.booleans(),
    st.tuples(*[st.booleans()] * 4).filter(any), st.lists(st.booleans(), min_size=13, max_size=13),
)  # fmt: skip
def test_both_implementations_have_the_same_gradients(
    which: str, time: int, scale: float, with_state: bool, dropping: bool, of: tuple[bool, ...], wanted: list[bool]
) -> None:
    """For any subset of inputs, states and weights that need a gradient, saturated gates included."""
    net, x = build(NETS[which], **({"dropout": P, "weight_dropout": P} if dropping else {})), some_input(time)
    state = [torch.randn(BATCH, size, dtype=torch.float64) for size in (6, 4, 6, 4)]
    everything = [*net.parameters(), x, *state]
    for value, wants in zip(everything, wanted, strict=True):
        value.requires_grad_(wants)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(scale)
    leaves = [value for value in everything[: None if with_state else 9] if value.requires_grad]
    found = []
    for implementation in ("fused", "eager"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(RecurrentLayer, "implementation", implementation)
            try:
                found.append(gradients(net, x, (state[:2], state[2:]) if with_state else None, of, leaves))
            except RuntimeError as error:  # none of what is wanted depends on what wants a gradient
                found.append(str(error).split(",")[0])
    if isinstance(found[1], str):
        assert found[0] == found[1]
        return
    for one, other in zip(*found, strict=True):
        assert (one is None) is (other is None) or not (one if other is None else other).any()
        if one is not None and other is not None:
            torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


@by_net
def test_distances_are_detached_and_the_rest_is_not(make: Any) -> None:
    output, (h, c), distances = build(make)(some_input())
    assert not distances.requires_grad
    assert all(x.requires_grad for x in (output, *h, *c))


@settings(max_examples=10)
@given(st.sampled_from(list(NETS)), st.integers(1, 5), st.integers(1, 5), st.integers(1, 3))
def test_reading_on_is_reading_at_once(which: str, first: int, second: int, batch: int) -> None:
    net, x = build(NETS[which]), some_input(first + second, batch)
    output, state, distances = net(x[:first])
    later = net(x[first:], state)
    assert_same((torch.cat([output, later[0]]), later[1], torch.cat([distances, later[2]], dim=1)), net(x), 1e-14)


@by_net
def test_a_state_of_zeros_is_no_state(make: Any) -> None:
    net, x = build(make), some_input()
    assert_same(net(x, net.initial_state(BATCH)), net(x))
    assert not any(part.any() for parts in net.initial_state(BATCH) for part in parts)


@by_net
def test_sequences_know_nothing_of_each_other(make: Any) -> None:
    net, x = build(make), some_input()
    output, (h, c), distances = net(x)
    for column in range(BATCH):
        part = slice(column, column + 1)
        alone = output[:, part], ([v[part] for v in h], [v[part] for v in c]), distances[:, :, part]
        assert_same(net(x[:, part]), alone, 1e-14)


@by_net
def test_the_state_given_is_left_as_it_is(make: Any) -> None:
    net = build(make)
    _, state, _ = net(some_input())
    before = copy.deepcopy([x.detach() for part in state for x in part])
    net(some_input(), state)
    assert all(x.equal(y) for x, y in zip(before, (x for part in state for x in part), strict=True))


@by_net
@pytest.mark.parametrize("inverted", [False, True])
def test_one_mask_of_weights_for_a_whole_call(make: Any, inverted: bool) -> None:
    dropping, plain, x = build(make, weight_dropout=P, weight_dropout_inverted=inverted), build(make), some_input()
    weights = [layer.weight_hh.detach().clone() for layer in plain.layers]

    def plain_with(factors: list[Any]) -> tuple:
        with torch.no_grad():
            for layer, weight, factor in zip(plain.layers, weights, factors, strict=True):
                layer.weight_hh.copy_(weight * factor)
        return plain(x)

    torch.manual_seed(9)
    found, again = dropping(x), dropping(x)
    torch.manual_seed(9)
    scale = 1 / (1 - P) if inverted else 1
    masks = [torch.empty_like(weight).bernoulli_(1 - P) * scale for weight in weights]
    assert all((mask == 0).any() and (mask > 0).any() for mask in masks)
    assert_same(found, plain_with(masks), 1e-15)
    assert not again[0][1:].equal(found[0][1:]), "two calls share a mask"
    # No state yet, so the first step uses no recurrent weight.
    torch.testing.assert_close(again[2][0, 0], found[2][0, 0])
    assert_same(dropping.eval()(x), plain_with([1 if inverted else 1 - P] * 2), 1e-15)


@by_net
def test_dropping_a_weight_stops_its_gradient_and_leaves_the_parameter(make: Any) -> None:
    net = build(make, weight_dropout=P)
    before = copy.deepcopy(net.state_dict())
    torch.manual_seed(9)
    net(some_input())[0].square().sum().backward()
    torch.manual_seed(9)
    for layer in net.layers:
        mask = torch.empty_like(layer.weight_hh).bernoulli_(1 - P)
        assert not layer.weight_hh.grad[mask == 0].any()
        assert layer.weight_hh.grad[mask == 1].any()
    assert all(value.equal(before[name]) for name, value in net.state_dict().items())


@by_net
def test_locked_dropout_between_layers_and_nowhere_else(make: Any) -> None:
    net, x = build(make, dropout=P), some_input()
    torch.manual_seed(9)
    found = net(x)
    torch.manual_seed(9)
    zeros = net.initial_state(BATCH)
    first, h_0, c_0, d_0 = net.layers[0](x, zeros[0][0], zeros[1][0])
    mask = torch.empty(BATCH, 6, dtype=torch.float64).bernoulli_(1 - P) / (1 - P)
    # What the layer puts out is not dropped again.
    second, h_1, c_1, d_1 = net.layers[1](torch.stack([step * mask for step in first]), zeros[0][1], zeros[1][1])
    assert (mask == 0).any()
    assert_same(found, (second, ([h_0, h_1], [c_0, c_1]), torch.stack([d_0, d_1])), 1e-15)
    assert_same(net.eval()(x), build(make)(x))


def test_a_single_layer_has_nothing_between_layers() -> None:
    x = some_input()
    for dropping, plain in ((LSTM(4, [4], dropout=P), LSTM(4, [4])), (ONLSTM(4, [4], 2, dropout=P), ONLSTM(4, [4], 2))):
        plain.load_state_dict(dropping.state_dict())
        assert_same(dropping.double()(x), plain.double()(x))


@by_net
def test_autocast_comes_near(make: Any) -> None:
    net, x = build(make, dropout=P).float(), some_input().float()
    torch.manual_seed(9)
    right = net(x)
    torch.manual_seed(9)
    with torch.autocast("cpu", torch.bfloat16):
        found = net(x)
        found[0].float().square().sum().backward()
    for near, exact in zip(flat(found), flat(right), strict=True):
        torch.testing.assert_close(near.float(), exact, rtol=0, atol=0.03)
    assert all(parameter.grad.isfinite().all() and parameter.grad.any() for parameter in net.parameters())


@by_net
def test_bfloat16_throughout_comes_near(make: Any) -> None:
    net, x = build(make), some_input()
    right, found = net(x), net.bfloat16()(x.bfloat16())
    assert all(value.dtype == torch.bfloat16 for value in flat(found))
    for near, exact in zip(flat(found), flat(right), strict=True):
        torch.testing.assert_close(near.double(), exact, rtol=0, atol=0.05)


@by_net
def test_without_gradients_it_is_the_same(make: Any) -> None:
    net, x = build(make), some_input()
    right = net(x)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            found = net(x)
            assert_same(found, right)
            assert not any(value.requires_grad for value in flat(found))


@by_net
def test_reset_draws_afresh_from_the_global_generator(make: Any) -> None:
    net, states = build(make), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        net.reset_parameters()
        states.append([parameter.detach().clone() for parameter in net.parameters()])
    assert all(a.equal(b) for a, b in zip(states[0], states[1], strict=True))
    assert not any(a.equal(b) for a, b in zip(states[1], states[2], strict=True))


@pytest.mark.parametrize("shape", [(5, 4), (5, 3, 5), (0, 3, 4), (5, 3, 4, 1)])
@by_net
def test_an_input_of_another_shape(make: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(T, B, 4\)"):
        build(make)(torch.zeros(shape, dtype=torch.float64))


@by_net
@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, float("nan")])
@pytest.mark.parametrize("which", ["dropout", "weight_dropout"])
def test_a_dropout_that_is_no_probability(make: Any, which: str, p: float) -> None:
    with pytest.raises(UserError, match=rf"^{which} is {p}; [^\n]*$"):
        build(make, **{which: p})


@pytest.mark.parametrize("net", [LSTM, ONLSTM])
def test_no_layer(net: Any) -> None:
    with pytest.raises(UserError, match=r"^layer_sizes is empty[^\n]*$"):
        net(4, [])


@pytest.mark.parametrize("net", [LSTM, ONLSTM])
@pytest.mark.parametrize(("features", "sizes"), [(0, [10]), (4, [0]), (4, [10, -10]), (-1, [10])])
def test_a_size_below_1(net: Any, features: int, sizes: list[int]) -> None:
    with pytest.raises(UserError, match=rf"^[^\n]+ is {min(features, *sizes)}; [^\n]+$"):
        net(features, sizes)


def test_a_net_says_which_kernels_it_uses() -> None:
    net = ONLSTM(3, [4], 2)
    net.implementation = "fused"
    found = kernels(net, torch.device("cpu"))
    of_machine = {name: found.pop(name) for name in ("cpu", "libraries", "float32 products", "float32 convolutions")}
    assert set(found) == {"recurrent steps", "recurrent products"}
    net.implementation = "eager"
    assert kernels(net, torch.device("cpu")) == {**of_machine, "recurrent steps": "eager"}
    assert kernels(torch.nn.Linear(1, 1), torch.device("cpu")) == of_machine
    assert kernels(net, torch.device("meta"))["recurrent steps"] == "eager"
