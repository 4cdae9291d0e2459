"""Sparse layers against dense ones whose weights are masked: values, all gradients, memory, and when they are used."""

import copy
import pickle
from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from app.nets.sparse import SparseConv2d, SparseLayer, SparseLinear, SparsePattern, build
from app.nets.sparse.layer import replaced
from app.nets.sparse.pattern import FUNCTIONS

# Stated in the README: relative to the norm of what is compared.
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
needs_compiler = pytest.mark.skipif(build.library() is None, reason="no C++ compiler")


def relative(value: Tensor, reference: Tensor) -> float:
    """The distance of a value from a reference in float64, relative to the reference's norm, or 0 if both are 0."""
    difference = float((value.double() - reference).norm())
    return difference / float(reference.norm()) if difference else 0.0


def masked(layer: nn.Module, mask: Tensor) -> nn.Module:
    with torch.no_grad():
        layer.weight.mul_(mask)  # type: ignore[operator, union-attr]
    return layer


def results(layer: nn.Module, x: Tensor, d_y: Tensor) -> list[Tensor]:
    """The output, and the gradients of the input and of all parameters."""
    x = x.clone().requires_grad_()
    y = layer(x)
    found = torch.autograd.grad(y, [x, *layer.parameters()], d_y)
    return [y.detach(), *found]


def check(dense: nn.Module, by: type[SparseLayer], mask: Tensor, x: Tensor, precision: torch.dtype) -> None:
    """The same in training and in evaluation as the dense layer in float64."""
    masked(dense, mask)
    sparse = replaced(copy.deepcopy(dense).to(precision), mask, by)
    with torch.no_grad():
        d_y = torch.randn_like(dense(x))
    expected = results(dense, x, d_y)
    expected[2] = expected[2] * mask  # the gradient of the weight
    found = results(sparse, x.to(precision), d_y.to(precision))
    for one, reference in zip(found, expected, strict=True):
        assert one.shape == reference.shape
        assert one.is_contiguous()
        assert relative(one, reference) <= TOLERANCE[precision]
    assert not found[2][~mask].any()
    with torch.no_grad():
        for _ in range(2):  # gathered, and found again
            assert relative(sparse.eval()(x.to(precision)), expected[0]) <= TOLERANCE[precision]


@pytest.fixture(autouse=True)
def _drawn() -> None:
    torch.manual_seed(3)


def a_mask(shape: tuple[int, ...], density: float) -> Tensor:
    return torch.rand(shape) < density


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("batch", [1, 2, 5, 16, 17, 20, 24, 60, 64, 83, 145])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(batch: int, bias: bool, precision: torch.dtype) -> None:
    dense = nn.Linear(803, 37, bias=bias, dtype=torch.float64)
    check(dense, SparseLinear, a_mask((37, 803), 0.1), torch.randn(batch, 803, dtype=torch.float64), precision)


@pytest.mark.parametrize("density", [0.0, 0.004, 0.03, 0.5, 1.0])
def test_densities_of_linear(density: float) -> None:
    """Among them empty rows, an empty layer and a whole one."""
    x = torch.randn(20, 901, dtype=torch.float64)
    check(nn.Linear(901, 41, dtype=torch.float64), SparseLinear, a_mask((41, 901), density), x, torch.float64)


@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(1, 20),
    columns=st.integers(1, 40),
    batch=st.integers(1, 40),
    density=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_any_linear(rows: int, columns: int, batch: int, density: float, seed: int) -> None:
    torch.manual_seed(seed)
    x = torch.randn(batch, columns, dtype=torch.float64)
    mask = a_mask((rows, columns), density)
    check(nn.Linear(columns, rows, dtype=torch.float64), SparseLinear, mask, x, torch.float64)


@pytest.mark.parametrize("shape", [(803,), (3, 5, 803), (0, 803)])
def test_other_shapes_of_input(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64)
    check(nn.Linear(803, 7, dtype=torch.float64), SparseLinear, a_mask((7, 803), 0.2), x, torch.float64)


CONVOLUTIONS = {
    "3x3 padded": (nn.Conv2d(3, 7, 3, padding=1, dtype=torch.float64), (9, 9)),
    "3x3": (nn.Conv2d(2, 5, 3, dtype=torch.float64), (13, 10)),
    "1x1": (nn.Conv2d(6, 4, 1, bias=False, dtype=torch.float64), (8, 8)),
    "5x3, other paddings": (nn.Conv2d(3, 4, (5, 3), padding=(3, 0), dtype=torch.float64), (11, 16)),
    "wide": (nn.Conv2d(3, 4, (1, 7), padding=(0, 6), dtype=torch.float64), (4, 40)),
}


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution(name: str, precision: torch.dtype) -> None:
    layer, size = CONVOLUTIONS[name]
    assert SparseConv2d.takes(layer)
    x = torch.randn(3, layer.in_channels, *size, dtype=torch.float64)
    check(copy.deepcopy(layer), SparseConv2d, a_mask(layer.weight.shape, 0.3), x, precision)


@pytest.mark.parametrize("density", [0.0, 0.02, 1.0])
def test_densities_of_a_convolution(density: float) -> None:
    layer = nn.Conv2d(5, 6, 3, padding=1, dtype=torch.float64)
    x = torch.randn(2, 5, 32, 32, dtype=torch.float64)
    check(layer, SparseConv2d, a_mask(layer.weight.shape, density), x, torch.float64)


@pytest.mark.parametrize("options", [{"stride": 2}, {"dilation": 2}, {"groups": 2}, {"padding_mode": "circular"}])
def test_convolutions_that_stay_dense(options: dict[str, object]) -> None:
    assert not SparseConv2d.takes(nn.Conv2d(4, 4, 3, **options))  # type: ignore[arg-type]


LAYERS: dict[str, Callable[[], tuple[SparseLayer, Tensor]]] = {
    "linear": lambda: (
        replaced(masked(nn.Linear(30, 8), mask := a_mask((8, 30), 0.3)), mask, SparseLinear),
        torch.randn(5, 30),
    ),
    "convolution": lambda: (
        replaced(masked(nn.Conv2d(3, 4, 3), mask := a_mask((4, 3, 3, 3), 0.3)), mask, SparseConv2d),
        torch.randn(2, 3, 12, 12),
    ),
}
by_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


@by_layer
def test_threads_do_not_change_bits(make: Callable[[], tuple[SparseLayer, Tensor]], threads: None) -> None:
    layer, x = make()
    with torch.no_grad():
        d_y = torch.randn_like(layer(x))
    alone = results(layer, x, d_y)
    torch.set_num_threads(2)
    assert all(torch.equal(*pair) for pair in zip(alone, results(layer, x, d_y), strict=True))


@pytest.fixture
def threads() -> Iterator[None]:
    """Small work is worth a thread, and the number of threads is put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("linear", "conv"):
            patch.setattr(f"app.nets.sparse.{module}.WORTH_A_THREAD", 1)
        yield
    torch.set_num_threads(before)


@by_layer
def test_second_derivatives(make: Callable[[], tuple[SparseLayer, Tensor]]) -> None:
    layer, x = make()
    layer.double()
    x = x.double().requires_grad_()
    assert torch.autograd.gradgradcheck(layer, x, atol=1e-6)
    weight, bias = layer.weight, layer.bias
    (first,) = torch.autograd.grad(layer(x).square().sum(), weight, create_graph=True)  # type: ignore[arg-type]
    found = torch.autograd.grad(first.square().sum(), [x, bias])  # type: ignore[list-item]
    function = F.linear if isinstance(layer, nn.Linear) else F.conv2d
    dense = function(x, weight * layer.pattern.mask, bias)  # type: ignore[operator, arg-type]
    (first,) = torch.autograd.grad(dense.square().sum(), weight, create_graph=True)  # type: ignore[arg-type]
    expected = torch.autograd.grad(first.square().sum(), [x, bias])  # type: ignore[list-item]
    assert all(relative(one, other) < 1e-10 for one, other in zip(found, expected, strict=True))


@by_layer
def test_a_changed_weight_is_read_again(make: Callable[[], tuple[SparseLayer, Tensor]]) -> None:
    """After every optimiser and every way of loading, the output is that of the new weight."""
    layer, x = make()
    layer.eval()
    other = copy.deepcopy(layer.state_dict())
    other["weight"] = -other["weight"]

    def is_current() -> bool:
        with torch.no_grad():
            found = layer(x)
            function = F.linear if isinstance(layer, nn.Linear) else F.conv2d
            return torch.allclose(found, function(x, layer.weight * layer.pattern.mask, layer.bias), atol=1e-6)  # type: ignore[operator, arg-type]

    assert is_current()
    for make_optimizer in (
        lambda p: torch.optim.SGD(p, lr=0.1),
        lambda p: torch.optim.SGD(p, lr=0.1, foreach=True),
        lambda p: torch.optim.SGD(p, lr=0.1, fused=True),
        lambda p: torch.optim.Adam(p, lr=0.1, foreach=True),
        lambda p: torch.optim.Adam(p, lr=0.1, fused=True),
    ):
        optimizer = make_optimizer(layer.parameters())
        layer(x).sum().backward()
        assert is_current()
        optimizer.step()
        assert is_current()
        optimizer.zero_grad()
        assert is_current()
    layer.load_state_dict(other)
    assert is_current()
    layer.load_state_dict(copy.deepcopy(other), assign=True)
    assert is_current()
    layer.weight = nn.Parameter(other["weight"] * 2)
    assert is_current()
    twin = copy.deepcopy(layer)
    with torch.no_grad():
        twin.weight.mul_(3)  # type: ignore[operator, union-attr]
        assert not torch.equal(twin(x), layer(x))
    assert is_current()
    with torch.inference_mode():
        assert torch.allclose(pickle.loads(pickle.dumps(layer))(x), layer(x))


@by_layer
def test_dense_where_the_compiled_code_is_not_for(
    make: Callable[[], tuple[SparseLayer, Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, x = make()
    expected = layer(x).detach()

    def refused(*_: object) -> None:
        raise AssertionError("the compiled code was called")

    for name in ("linear", "linear_one", "conv"):
        monkeypatch.setitem(FUNCTIONS, (name, torch.float32), refused)
    if build.library() is not None:
        with pytest.raises(AssertionError):
            layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    assert torch.allclose(torch.func.vmap(layer)(x.unsqueeze(0))[0], expected, atol=1e-5)
    monkeypatch.setattr(build, "library", lambda: None)
    for context in (torch.enable_grad, torch.inference_mode):
        with context():
            assert torch.allclose(layer(x), expected, atol=1e-5)


@needs_compiler
@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("batch", [1, 7, 20, 60])
def test_nothing_beyond_memory(batch: int, precision: torch.dtype) -> None:
    """Neither read, where nan would spread, nor written."""
    pattern = SparsePattern(a_mask((21, 53), 0.4))
    address = pattern.address

    def guarded(*shape: int, value: float | None = None) -> tuple[Tensor, Tensor]:
        size = torch.Size(shape).numel()
        buffer = torch.full((size + 200,), torch.nan, dtype=precision)
        inner = buffer[100 : 100 + size].view(shape)
        inner.copy_(torch.randn(shape)) if value is None else inner.fill_(value)
        return inner, buffer

    def intact(buffer: Tensor) -> bool:
        return bool(buffer[:100].isnan().all() and buffer[-100:].isnan().all() and not buffer[100:-100].isnan().any())

    (values, _), (bias, _), (x, _), (d_y, _) = (
        guarded(pattern.count),
        guarded(21),
        guarded(batch, 53),
        guarded(batch, 21),
    )
    y, around_y = guarded(batch, 21)
    FUNCTIONS["linear", precision](address, values.data_ptr(), bias.data_ptr(), x.data_ptr(), batch, y.data_ptr(), 1)
    outputs = guarded(batch, 53), guarded(21, 53, value=0.0), guarded(21, value=0.0)
    pointers = [inner.data_ptr() for inner, _ in outputs]
    inputs = values.data_ptr(), x.data_ptr(), d_y.data_ptr()
    FUNCTIONS["linear_backward", precision](address, *inputs, batch, *pointers, 1)
    one, around_one = guarded(21)
    FUNCTIONS["linear_one", precision](address, values.data_ptr(), 0, x.data_ptr(), one.data_ptr())
    assert all(intact(buffer) for buffer in (around_y, around_one, *(buffer for _, buffer in outputs)))


@needs_compiler
@pytest.mark.parametrize("size", [(9, 9), (8, 8), (5, 33)])
def test_nothing_beyond_memory_in_convolutions(size: tuple[int, int]) -> None:
    layer = nn.Conv2d(3, 5, 3, padding=1)
    mask = a_mask(layer.weight.shape, 0.4)
    sparse = replaced(masked(layer, mask), mask, SparseConv2d)
    buffer = torch.full((2 * 3 * size[0] * size[1] + 200,), torch.nan)
    x = buffer[100:-100].view(2, 3, *size)
    x.copy_(torch.randn(x.shape))
    x.requires_grad_()
    y = sparse(x)
    around = torch.full((y.numel() + 200,), torch.nan)
    d_y = around[100:-100].view(y.shape)
    d_y.copy_(torch.randn(y.shape))
    gradients = torch.autograd.grad(y, [x, *sparse.parameters()], d_y)
    assert not any(each.isnan().any() for each in (y, *gradients))
