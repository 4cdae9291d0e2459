"""States by plain name, in and out of compiled and uncompiled modules."""

import pytest
import torch
from helpers.tiny import TinyNet, same, weights
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from app.common import states
from app.common.errors import UserError


def compiled(net: nn.Module) -> nn.Module:
    """Wrapped; nothing is compiled before it is called."""
    return torch.compile(net, backend="eager")


def module(kind: str, seed: int) -> nn.Module:
    """The same network in several wrappings."""
    torch.manual_seed(seed)
    net = TinyNet(norm=True)
    if kind == "whole":
        return nn.ModuleDict({"net": compiled(net)})
    if kind == "parts":
        net.fc, net.norm = compiled(net.fc), compiled(net.norm)
    if kind == "twice":
        net.fc = compiled(net.fc)
        return compiled(nn.ModuleDict({"net": compiled(net)}))
    return nn.ModuleDict({"net": net})


KINDS = ["plain", "whole", "parts", "twice"]
NAMES = [
    *("net.fc.weight", "net.fc.bias", "net.norm.weight", "net.norm.bias", "net.norm.running_mean"),
    *("net.norm.running_var", "net.norm.num_batches_tracked", "net.output.weight", "net.output.bias"),
]
components = st.text("abc_0", min_size=1, max_size=4).filter(lambda part: part != "_orig_mod")


@given(st.lists(st.tuples(components, st.booleans()), min_size=1, max_size=5))
def test_a_name_without_what_compiling_adds(parts: list[tuple[str, bool]]) -> None:
    name = ".".join(f"_orig_mod.{part}" if wrapped else part for part, wrapped in parts)
    assert states.plain_name(name) == ".".join(part for part, _ in parts)


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_plain(kind: str) -> None:
    each = module(kind, 0)
    assert list(states.plain_state(each)) == NAMES
    assert list(states.plain_parameters(each)) == [
        name for name in NAMES if "running" not in name and "num" not in name
    ]
    parameters = {id(value) for value in each.parameters()}
    assert {id(value) for value in states.plain_parameters(each).values()} == parameters


def test_a_state_is_a_copy() -> None:
    net = TinyNet()
    state = states.plain_state(net)
    before = {name: value.clone() for name, value in state.items()}
    net.fc.weight.data.fill_(3)
    assert same(state, before)
    assert not any(value.requires_grad for value in state.values())


def test_tied_parameters_once_by_their_first_name() -> None:
    net = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    net["b"].weight = net["a"].weight
    assert list(states.plain_parameters(net)) == ["a.weight", "a.bias", "b.bias"]
    assert list(states.plain_state(net)) == ["a.weight", "a.bias", "b.weight", "b.bias"]


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("target", KINDS)
def test_a_state_fits_the_same_network_however_it_is_wrapped(source: str, target: str) -> None:
    state, into = states.plain_state(module(source, 0)), module(target, 1)
    assert not same(states.plain_state(into), state)
    before = [(id(each), each.data_ptr()) for each in into.parameters()]
    states.load_plain_state(into, state, "the weights")
    assert same(states.plain_state(into), state)
    assert [(id(each), each.data_ptr()) for each in into.parameters()] == before


@pytest.mark.parametrize("kind", KINDS)
def test_the_modules_own_names_for_a_state(kind: str) -> None:
    into = module(kind, 1)
    state = states.plain_state(module("plain", 0)) | {"more": torch.ones(1)}
    named = states.same_names(into, state)
    assert list(named) == [*into.state_dict(), "more"]
    assert all(named[name] is state[states.plain_name(name)] for name in named)


# Other networks


def change(state: dict[str, Tensor], how: str) -> tuple[dict[str, Tensor], str]:
    """A state with a mistake, and the name that is wrong."""
    state = dict(state)
    if how == "missing":
        del state["net.fc.bias"]
        return state, "net.fc.bias"
    if how == "more":
        return state | {"net.extra": torch.zeros(1)}, "net.extra"
    return state | {"net.output.weight": torch.zeros(3, 9)}, "net.output.weight"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["missing", "more", "shape"])
def test_another_networks_state_is_refused_in_one_line_and_nothing_changes(kind: str, how: str) -> None:
    into = module(kind, 1)
    before = weights(into)
    state, wrong = change(states.plain_state(module("plain", 0)), how)
    with pytest.raises(UserError) as raised:
        states.load_plain_state(into, state, "x.safetensors: the weights")
    message = str(raised.value)
    assert message.startswith(f"x.safetensors: the weights are another network's: {wrong} differ in name or shape;")
    assert "\n" not in message
    assert same(weights(into), before)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("missing", "net.fc.bias is none there and (8,) here"),
        ("more", "net.extra is (1,) there and none here"),
        ("shape", "net.output.weight is (3, 9) there and (3, 8) here"),
    ],
)
def test_a_checkpoint_of_another_model_names_the_first_difference(how: str, says: str) -> None:
    ours = module("whole", 0).state_dict()
    theirs, _ = change(states.plain_state(module("plain", 0)), how)
    with pytest.raises(UserError) as raised:
        states.check_shapes(ours, theirs)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
    states.check_shapes(ours, states.plain_state(module("plain", 3)))
    states.check_state(ours, module("parts", 0), "the weights")
