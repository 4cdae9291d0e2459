"""The fused implementation against the eager one: values, gradients, and which tensors each one reads."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import forward_ad

from app.nets import LSTM, ONLSTM, RecurrentNet
from app.nets.fused import bf16, dispatch, native, steps
from app.nets.fused.build import library

FEATURES = 3
NETS = {"ON-LSTM": lambda: ONLSTM(FEATURES, [6, 4], 2), "LSTM": lambda: LSTM(FEATURES, [6, 4])}
STEPS = {"compiled": native, "PyTorch": steps}
by_net = pytest.mark.parametrize("make", NETS.values(), ids=NETS)
by_steps = pytest.mark.parametrize("steps", STEPS)


@contextmanager
def watched(steps: str = "compiled", few: int = 1) -> Iterator[list[str]]:
    """Make fused sequences of `few` or more steps use this implementation; yields the list of its calls so far."""
    if steps == "compiled" and library() is None:
        pytest.skip("no C++ compiler")
    taken: list[str] = []

    def telling(name: str, function: Any) -> Any:
        return lambda *args, **options: (taken.append(name), function(*args, **options))[1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch, "FEWEST_STEPS", few)
        if steps != "compiled":
            patch.setattr(dispatch, "library", lambda: None)
        for name, module in STEPS.items():
            for function in ("forward_steps", "backward_steps"):
                patch.setattr(module, function, telling(name, getattr(module, function)))
        yield taken


def some_input(time: int = 5, batch: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.randn(time, batch, FEATURES, dtype=torch.float64, generator=draw).to(dtype)


def states_of(net: RecurrentNet, batch: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    draw = torch.Generator().manual_seed(2)
    sizes = [layer.hidden_size for layer in net.layers] * 2
    return [torch.randn(batch, size, dtype=torch.float64, generator=draw).to(dtype) for size in sizes]


def read(net: RecurrentNet, x: Tensor, states: list[Tensor] | None, how: str) -> list[Tensor]:
    """Outputs, last h and c of every layer, distances."""
    net.implementation = how
    torch.manual_seed(5)
    depth = len(net.layers)
    output, (h, c), distances = net(x, states and (states[:depth], states[depth:]))
    return [output, *h, *c, distances]


def gradients(values: list[Tensor], leaves: list[Tensor], **options: Any) -> list[Tensor | None]:
    """Gradients of a random linear combination of the values."""
    draw = torch.Generator().manual_seed(6)
    loss = sum((value * torch.randn(value.shape, dtype=torch.float64, generator=draw)).sum() for value in values)
    return list(torch.autograd.grad(loss, leaves, allow_unused=True, **options))


def build(make: Any, dtype: torch.dtype = torch.float64) -> RecurrentNet:
    torch.manual_seed(0)
    return make().to(dtype)


def copy_of(net: RecurrentNet) -> RecurrentNet:
    return copy.deepcopy(net)


def autocast_to(dtype: torch.dtype, net: RecurrentNet, x: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype):
        return net(x)[0]


def assert_same(found: list[Tensor | None], right: list[Tensor | None], tolerance: float = 1e-10) -> None:
    """Compare gradients; no gradient counts as a gradient of zeros."""
    for mine, its in zip(found, right, strict=True):
        if mine is None or its is None:
            assert not any(one is not None and one.any() for one in (mine, its))
        else:
            torch.testing.assert_close(mine, its, rtol=tolerance, atol=tolerance)


@st.composite
def nets(draw: st.DrawFn) -> RecurrentNet:
    """Nets of one or two layers of up to 48 units, both wider and narrower than a vector register."""
    torch.manual_seed(draw(st.integers(0, 2**20)))
    depth, weight_dropout = draw(st.integers(1, 2)), draw(st.sampled_from([0.0, 0.4]))
    if draw(st.booleans()):
        return LSTM(FEATURES, [draw(st.integers(1, 40)) for _ in range(depth)], weight_dropout=weight_dropout).double()
    chunk_size = draw(st.integers(1, 12))
    sizes = [chunk_size * draw(st.integers(1, 4)) for _ in range(depth)]
    return ONLSTM(FEATURES, sizes, chunk_size, weight_dropout=weight_dropout).double()


@by_steps
@settings(max_examples=50)
@given(
    nets(), st.integers(1, 5), st.sampled_from([1, 2, 3, 7, 24, 25, 50]), st.sampled_from([0.3, 1.0, 20.0]),
    st.booleans(), st.lists(st.booleans(), min_size=13, max_size=13), st.sets(st.integers(0, 4), min_size=1),
)  # fmt: skip
def test_values_and_gradients_are_the_eager_ones(
    steps: str, net: RecurrentNet, time: int, batch: int, scale: float, with_state: bool, wants: list, of: set
) -> None:
    """Equal to 1e-10 in float64: for all sizes, saturated gates, any subset of parameters, input and states that need
    a gradient, and any subset of the results that the gradient is taken of.
    """
    x, states = some_input(time, batch), states_of(net, batch)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(scale)
    everything = [x, *states, *net.parameters()]
    for one, wanted in zip(everything, wants, strict=False):
        one.requires_grad_(wanted)
    leaves = [one for one in everything if one.requires_grad]
    right = read(net, x, states if with_state else None, "eager")
    which = [i for i, value in enumerate(right) if i in of and value.requires_grad]
    with watched(steps) as taken:
        found = read(net, x, states if with_state else None, "fused")
        assert taken == [steps] * len(net.layers)
        assert_same(found, right)
        assert [value.requires_grad for value in found] == [value.requires_grad for value in right]
        if which:
            one, other = (gradients([values[i] for i in which], leaves) for values in (found, right))
            assert_same(one, other)
            assert set(taken) == {steps}
            assert len(taken) > len(net.layers)


def difference(one: Tensor, other: Tensor) -> float:
    """The norm of the difference, relative to the norm of the right value."""
    return ((one.double() - other).norm() / other.norm()).item()


@by_steps
def test_float32_is_as_near_as_eager_float32(steps: str) -> None:
    """At ordinary sizes: values within 2e-6 of float64, gradients within 1e-5 of their norm."""
    torch.manual_seed(3)
    net = ONLSTM(FEATURES, [200, 100], 10)
    exact = ONLSTM(FEATURES, [200, 100], 10).double()
    exact.load_state_dict(net.state_dict())
    x = some_input(35, 20)
    right = read(exact, x, None, "eager")
    right_gradients = gradients(right[:-1], list(exact.parameters()))
    with watched(steps) as taken:
        found = read(net, x.float(), None, "fused")
        found_gradients = gradients(found[:-1], list(net.parameters()))
    assert taken == [steps] * 4
    for mine, its in zip(found, right, strict=True):
        torch.testing.assert_close(mine.double(), its, rtol=0, atol=2e-6)
    assert max(map(difference, found_gradients, right_gradients)) < 1e-5


@by_net
@by_steps
def test_gradcheck(steps: str, make: Any) -> None:
    """The gradient against finite differences, and the second derivative against the eager one."""
    net = build(make)
    names, parameters = zip(*net.named_parameters(), strict=True)
    leaves = [one.detach().clone().requires_grad_() for one in (some_input(2, 1), *states_of(net, 1), *parameters)]

    def function(x: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        given = dict(zip(names, values[4:], strict=True))
        output, (h, c), _ = torch.func.functional_call(net, given, (x, (list(values[:2]), list(values[2:4]))))
        return output, *h, *c

    with watched(steps) as taken:
        assert torch.autograd.gradcheck(function, leaves)
        assert len(taken) > 4
        assert set(taken) == {steps}
        assert torch.autograd.gradgradcheck(function, leaves, fast_mode=True)


@by_net
def test_the_gradient_of_a_gradient_where_a_tensor_is_given_twice(make: Any) -> None:
    net, x, same = build(make), some_input(), torch.randn(3, 6, dtype=torch.float64).requires_grad_()
    other = torch.randn(3, 4, dtype=torch.float64)
    found = []
    with watched():
        for how in ("fused", "eager"):
            values = read(net, x, [same, other, same, other], how)
            (first,) = gradients(values[:-1], [same], create_graph=True)
            found.append([first, *gradients([first], [same, *net.parameters()])])
    assert_same(*found)
    assert found[0][1].any()


@by_net
def test_without_gradients(make: Any) -> None:
    net, x = build(make), some_input()
    right = read(net, x, None, "eager")
    with watched() as taken:
        for mode in (torch.no_grad, torch.inference_mode):
            with mode():
                assert_same(read(net, x, None, "fused"), right)
    assert taken == ["compiled"] * 4


@by_steps
def test_tensors_of_any_strides(steps: str) -> None:
    net = build(NETS["ON-LSTM"])
    x = some_input(3, 5).transpose(0, 1)
    states = [state.t().contiguous().t() for state in states_of(net, 3)]
    assert not x.is_contiguous()
    with torch.no_grad():
        for layer in net.layers:
            layer.weight_hh = nn.Parameter(layer.weight_hh.t().contiguous().t())
    results = []
    for how in ("fused", "eager"):
        with watched(steps) as taken:
            values = read(net, x, states, how)
            # The gradient of a sum is one number wherever you look, without strides.
            results.append([*values, *torch.autograd.grad(values[0].sum() + values[3].sum(), [*net.parameters()])])
        assert bool(taken) is (how == "fused")
    assert_same(*results)


@by_steps
@by_net
def test_what_is_not_a_number_goes_where_it_would(make: Any, steps: str) -> None:
    """NaN must spread to later times of its own sequence, and to the gradient of every weight."""
    net, x = build(make, torch.float32), some_input(dtype=torch.float32)
    x[2, 1, 0], x[3, 2, 1] = float("nan"), float("inf")
    right = read(net, x, None, "eager")
    with watched(steps):
        found = read(net, x, None, "fused")
        one, other = (gradients(values[:1], list(net.parameters())) for values in (found, right))
    torch.testing.assert_close(found, right, rtol=1e-5, atol=1e-6, equal_nan=True)
    assert found[0][2:, 1].isnan().all()
    assert found[0][:, 0].isfinite().all()
    assert [value.isnan().tolist() for value in one] == [value.isnan().tolist() for value in other]


@by_steps
def test_twice_is_the_same_bits_with_any_number_of_threads(steps: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "WORTH_A_THREAD", 1)
    net, x = build(NETS["ON-LSTM"], torch.float32), some_input(batch=9, dtype=torch.float32)
    found = []
    for threads in (1, 1, 2, 3):
        torch.set_num_threads(threads)
        with watched(steps):
            values = read(net, x, None, "fused")
            found.append([*values, *gradients(values[:-1], list(net.parameters()))])
    for again in found[1:]:
        assert all(one.equal(other) for one, other in zip(again, found[0], strict=True))


def test_a_graph_kept_gives_the_same_again_and_one_changed_gives_an_error() -> None:
    net = build(NETS["LSTM"])
    with watched():
        loss = read(net, some_input(), None, "fused")[0].sum()
        first, second = (torch.autograd.grad(loss, [*net.parameters()], retain_graph=True) for _ in range(2))
        assert all(one.equal(other) for one, other in zip(first, second, strict=True))
        with torch.no_grad():
            net.layers[0].weight_hh.mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


@by_net
@by_steps
@pytest.mark.parametrize("read_as", [torch.float32, torch.bfloat16])
def test_under_autocast_without_the_kernels_for_it(
    make: Any, steps: str, read_as: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Products with the input by torch's bfloat16: values within 0.01 of float32, and gradients within 0.02 of their
    norm. Or by its float32, where that is as fast: the same bits.
    """
    net, x = build(make, torch.float32), some_input(dtype=torch.float32)
    monkeypatch.setattr(bf16, "instructions", lambda: None)
    for outer in (torch.bfloat16, torch.float32):
        monkeypatch.setattr(bf16, "outer_precision", lambda outer=outer: outer)
        given = x.to(read_as).float() if outer == torch.float32 else x
        right = read(net, given, None, "fused" if outer == torch.float32 and steps == "compiled" else "eager")
        right_gradients = gradients(right[:-1], list(net.parameters()))
        with watched(steps) as taken, torch.autocast("cpu", torch.bfloat16):
            found = read(net, x.to(read_as), None, "fused")
            loss_gradients = gradients(found[:-1], list(net.parameters()))
        assert taken == [steps] * 4
        assert all(value.dtype == torch.float32 for value in (*found, *loss_gradients))
        differs = (found[0] - right[0]).abs().max()
        assert differs > 1e-4 if outer == torch.bfloat16 else differs < 1e-6
        for mine, its in zip(found, right, strict=True):
            torch.testing.assert_close(mine, its, rtol=0, atol=0.01)
        assert max(map(difference, loss_gradients, (value.double() for value in right_gradients))) < 0.02


def test_few_steps_are_taken_one_by_one() -> None:
    net, x = build(NETS["LSTM"]), some_input()
    few = dispatch.FEWEST_STEPS
    with watched(few=few) as taken:
        read(net, x[: few - 1], None, "fused")
        assert not taken
        read(net, x[:few], None, "fused")
        assert taken


@by_net
def test_shapes_that_do_not_fit_are_refused_as_ever(make: Any) -> None:
    """The compiled steps check no sizes, so they must never get a state of another batch or weights of another size."""
    net, x = build(make), some_input()
    states = states_of(net, 3)
    for how in ("fused", "eager"):
        with watched() as taken:
            for wrong in ([one[:2] for one in states], [one[:1] for one in states], [one[:, :2] for one in states]):
                with pytest.raises(RuntimeError):
                    read(net, x, wrong, how)
            assert read(net, x[:, :0], None, how)[0].shape == (5, 0, 4)
        assert not taken
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            parameter = getattr(net.layers[0], name)
            setattr(net.layers[0], name, nn.Parameter(torch.cat([parameter, parameter])))
    with pytest.raises((RuntimeError, ValueError)):
        read(net, x, None, "fused")


@pytest.mark.filterwarnings("ignore:.torch.jit.script.:DeprecationWarning")  # torch's own forward derivatives
@by_net
def test_who_reads_what_the_fused_sequence_cannot(make: Any) -> None:
    """Tracers, transforms and other precisions fall back to the eager implementation and its results."""
    net, x = build(make), some_input()
    tangent = torch.ones_like(x)

    def output(x: Tensor) -> Tensor:
        return net(x)[0]

    def forward_derivative() -> Tensor:
        with forward_ad.dual_level():
            return forward_ad.unpack_dual(output(forward_ad.make_dual(x, tangent))).tangent

    ways = {
        "function transform": lambda: torch.func.grad(lambda x: output(x).sum())(x),
        "vectorising map": lambda: torch.vmap(output, in_dims=1)(x.unsqueeze(2)),
        "forward derivative": forward_derivative,
        "compiler": lambda: torch.compile(output, backend="eager")(x),
        "half precision": lambda: copy_of(net).bfloat16()(x.bfloat16())[0],
        "autocast to another": lambda: autocast_to(torch.float16, copy_of(net).float(), x.float()),
        "device without storage": lambda: copy_of(net).to("meta")(x.to("meta"))[0].isnan(),
    }
    for name, way in ways.items():
        found = []
        for how in ("fused", "eager"):
            net.implementation = how
            with watched(few=1) as taken:
                found.append(way())
            assert not taken, name
        assert found[0].device.type == "meta" or found[0].equal(found[1]), name
    with watched() as taken:
        net.implementation = "fused"
        net(x)
    assert taken, "nothing was fused in the first place"
