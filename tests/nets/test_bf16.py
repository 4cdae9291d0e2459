"""Products, recurrent layers, softmax and dropout of bf16-mixed on the CPU, against plain ones of rounded operands."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from app.common import bf16_kernels
from app.common.errors import UserError
from app.nets import LSTM, ONLSTM, RecurrentNet
from app.nets.dropout import drop_weight
from app.nets.fused import bf16, bf16_softmax, dropout
from app.nets.softmax import log_softmax_parts, softmax_loss

ALL = (bf16_kernels.AMX, bf16_kernels.AVX512)
NETS = {"ON-LSTM": lambda: ONLSTM(7, [30, 20], 10), "LSTM": lambda: LSTM(7, [30, 20])}


@pytest.fixture(scope="module", params=[(name, aliased) for name in ALL for aliased in (bf16.ALIASED, bf16.STEP)])
def instructions(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every kind of instructions that is here; with rows that are as long as they need to be, and longer ones."""
    name, aliased = request.param
    if name not in bf16._supported():
        pytest.skip(f"no {name} here")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(bf16_kernels.SWITCH, name)
        patch.setattr(bf16, "ALIASED", aliased)
        yield name


def mixed() -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def rounded(x: Tensor) -> Tensor:
    """The nearest bfloat16 of every entry."""
    return x.bfloat16().to(x.dtype)


def distance(found: Tensor, right: Tensor) -> float:
    """Relative to the norm of what is right."""
    found, right = found.detach().double(), right.detach().double()
    return float((found - right).norm() / right.norm())


# --- products

sizes = st.integers(1, 70)


@settings(max_examples=25)
@given(sizes, st.one_of(sizes, st.sampled_from([512, 513, 1100])), sizes, st.integers(0, 2), st.integers(0, 99))
def test_products(instructions: str, rows: int, inner: int, columns: int, base: int, seed: int) -> None:
    """Exact but for the order of the sums, in every layout, whatever the sizes."""
    x, weight = drawn(rows, inner, seed=seed), drawn(columns, inner, seed=seed + 1)
    added = (None, drawn(columns), drawn(rows, columns))[base]
    right = rounded(x).double() @ rounded(weight).double().t() + (0 if added is None else added.double())
    left = bf16.rows(x)
    ways = [
        bf16.panels_of_transpose(weight),
        bf16.panels(weight.t()),
        bf16.panels_of_rows(bf16.rows(weight.t()), columns),
    ]
    found = [bf16.product(left, way, inner, columns, added) for way in ways]
    turned = bf16.transposed_rows(bf16.rows(x.t()), rows)
    found.append(bf16.product(turned, ways[0], inner, columns, added))
    assert all(torch.equal(one, found[0]) for one in found)
    assert (found[0] - right).abs().max() < 1e-5 * inner
    assert (bf16.sums(left, inner) - rounded(x).double().sum(1)).abs().max() < 1e-5 * inner


def test_nan_and_infinity_are_multiplied_like_numbers(instructions: str) -> None:
    """Padding hides none of them, and does not make any."""
    x = drawn(33, 5)
    x[3, 4], x[7, 0] = float("nan"), float("inf")
    found = bf16.product(bf16.rows(x), bf16.panels(torch.ones(5, 17)), 5, 17)
    assert found[3].isnan().all()
    assert found[7].isinf().all()
    assert found[[row for row in range(33) if row not in (3, 7)]].isfinite().all()


def test_bits_are_those_of_any_number_of_threads(instructions: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bf16, "WORTH_A_THREAD", 1)
    net, x = ONLSTM(40, [130]), drawn(9, 50, 40).requires_grad_()
    weight, bias, targets = drawn(101, 130).requires_grad_(), torch.zeros(101), torch.arange(450) % 101

    def step() -> list[Tensor]:
        with mixed():
            loss = softmax_loss(net(x)[0].flatten(0, 1), weight, bias, targets)
        return [loss, *torch.autograd.grad(loss, [x, weight, *net.parameters()])]

    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = step()
        for several in (2, 3):
            torch.set_num_threads(several)
            assert all(map(torch.equal, step(), one))
    finally:
        torch.set_num_threads(threads)


# --- recurrent layers


class RoundedProduct(torch.autograd.Function):
    """x times weight transposed, whose operands are rounded to bfloat16, forward and backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(rounded(x), rounded(weight))
        return rounded(x) @ rounded(weight).t()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        return rounded(gradient) @ weight, rounded(gradient).t() @ x


def plain(net: RecurrentNet, x: Tensor, state: Any) -> tuple[Tensor, Tensor]:
    """The outputs and the last cells of the last layer, step by step, with rounded operands."""
    for layer, h, c in zip(net.layers, *state, strict=True):
        outputs = []
        for step in x.unbind(0):
            products = RoundedProduct.apply(step, layer.weight_ih), RoundedProduct.apply(h, layer.weight_hh)
            h, c, _ = layer.step(products[0] + products[1] + layer.bias_ih + layer.bias_hh, c)
            outputs.append(h)
        x = torch.stack(outputs)
    return x, c


@pytest.mark.parametrize("make", NETS.values(), ids=NETS)
@pytest.mark.parametrize(("time", "batch"), [(12, 1), (12, 3), (12, 20), (1, 33)])
def test_layers_are_those_of_rounded_operands(
    instructions: str, make: Callable[[], RecurrentNet], time: int, batch: int
) -> None:
    """Values and gradients, but for numbers that lie on the edge between two roundings."""
    torch.manual_seed(3)
    net = make()
    exact = make().double()
    exact.load_state_dict(net.state_dict())
    x = drawn(time, batch, 7).requires_grad_()
    exact_x = x.detach().double().requires_grad_()
    sizes = [layer.hidden_size for layer in net.layers]
    state = [[drawn(batch, size, seed=n + 5).requires_grad_() for size in sizes] for n in range(2)]
    exact_state = [[one.detach().double().requires_grad_() for one in those] for those in state]
    weights = drawn(time, batch, sizes[-1], seed=9), drawn(batch, sizes[-1], seed=10)
    with mixed():
        outputs, (_, cells), _ = net(x, state)
    right, right_cells = plain(exact, exact_x, exact_state)
    assert outputs.dtype == torch.float32
    with torch.no_grad():
        without_rounding = distance(exact(exact_x, exact_state)[0], right)
    assert distance(outputs, right) < min(2e-4, without_rounding / 3)
    assert distance(cells[-1], right_cells) < 2e-4
    found = torch.autograd.grad(
        (outputs * weights[0]).sum() + (cells[-1] * weights[1]).sum(),
        [x, *state[0], *state[1], *net.parameters()],
    )
    expected = torch.autograd.grad(
        (right * weights[0]).sum() + (right_cells * weights[1]).sum(),
        [exact_x, *exact_state[0], *exact_state[1], *exact.parameters()],
    )
    assert max(map(distance, found, expected)) < 2e-3


def test_only_what_needs_a_gradient_gets_one(instructions: str) -> None:
    net = LSTM(4, [20])
    layer = net.layers[0]
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    layer.weight_hh.requires_grad_()
    with mixed():
        net(drawn(6, 2, 4))[0].sum().backward()
    assert layer.weight_hh.grad is not None
    assert layer.weight_ih.grad is None


def test_second_derivatives_are_the_eager_ones(instructions: str) -> None:
    net, x = ONLSTM(3, [20]), drawn(5, 2, 3)
    found = []
    for how in ("fused", "eager"):
        net.implementation = how
        with mixed():
            (first,) = torch.autograd.grad(net(x)[0].square().sum(), net.layers[0].weight_hh, create_graph=True)
        found += torch.autograd.grad(first.square().sum(), net.layers[0].weight_ih)
    assert distance(*found) < 0.05


# --- softmax


def inputs(count: int, features: int, words: int) -> tuple[list[Tensor], Tensor]:
    tensors = [drawn(count, features), drawn(words, features, seed=1), drawn(words, seed=2)]
    return tensors, torch.randint(words, (count,), generator=torch.Generator().manual_seed(3))


class AddedBias(torch.autograd.Function):
    """x plus a bias, whose gradient is the sum of rounded ones."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor) -> Tensor:
        return x + bias

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return gradient, rounded(gradient).sum(0)


def rounded_loss(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    scores = AddedBias.apply(RoundedProduct.apply(hidden, weight), bias)
    return F.cross_entropy(scores, targets, reduction="sum")


@settings(max_examples=15)
@given(st.integers(1, 100), st.integers(1, 40), st.integers(1, 130), st.sampled_from([32, 64, 2048]))
def test_loss_and_gradients(instructions: str, count: int, features: int, words: int, part: int) -> None:
    """Those of the rounded operands in float64."""
    tensors, targets = inputs(count, features, words)
    mine, exact = ([x.clone().to(kind).requires_grad_() for x in tensors] for kind in (torch.float32, torch.float64))
    with pytest.MonkeyPatch.context() as patch, mixed():
        patch.setattr(bf16_softmax, "PART", part)
        loss = softmax_loss(*mine, targets)
        right = rounded_loss(*exact, targets)
        assert loss.item() == pytest.approx(right.item() / count, rel=1e-5, abs=1e-6)
        with torch.no_grad():
            assert torch.equal(softmax_loss(*mine, targets), loss)
    (loss * 3 * count).backward()
    right.backward()
    for found, expected in zip(mine, exact, strict=True):
        assert (found.grad / 3 - expected.grad).norm() <= 1e-3 * (expected.grad.norm() + 1)


def test_log_softmax(instructions: str) -> None:
    tensors, _ = inputs(300, 9, 40)
    with mixed(), torch.no_grad():
        found = torch.cat(list(log_softmax_parts(*tensors)))
    exact = [x.double() for x in tensors]
    right = (RoundedProduct.apply(exact[0], exact[1]) + exact[2]).log_softmax(1)
    assert (found - right).abs().max() < 1e-4


@pytest.mark.parametrize("target", [-1, 5])
def test_a_word_outside_the_vocabulary_is_refused(instructions: str, target: int) -> None:
    tensors, targets = inputs(3, 2, 5)
    targets[1] = target
    for grad in (True, False):
        tensors[1].requires_grad_(grad)
        with mixed(), pytest.raises(IndexError, match=f"target {target} is out of bounds for 5 words"):
            softmax_loss(*tensors, targets)


def test_extreme_scores(instructions: str) -> None:
    """Finite ones stay finite; nan and infinity are seen in the loss."""
    weight, bias, targets = torch.tensor([[1.0], [-1.0]]), torch.zeros(2), torch.tensor([1])
    for value, right in ((1e4, 2e4), (float("nan"), float("nan")), (float("inf"), float("nan"))):
        hidden = torch.tensor([[value]], requires_grad=True)
        with mixed():
            loss = softmax_loss(hidden, weight, bias, targets)
        loss.backward()
        assert loss.item() == pytest.approx(right, rel=0.01, nan_ok=True)
        assert hidden.grad.isfinite().all() == (value == 1e4)


# --- dropout


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10 as Salmon et al. (2011) define it."""
    c, k, word = list(counter), list(key), 2**32
    for _ in range(10):
        left, right = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [right // word ^ c[1] ^ k[0], right % word, left // word ^ c[3] ^ k[1], left % word]
        k = [(k[0] + 0x9E3779B9) % word, (k[1] + 0xBB67AE85) % word]
    return c


def test_the_reference_generator() -> None:
    """Known answers of the authors' own library, Random123."""
    assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    ones = 2**32 - 1
    assert philox([ones] * 4, [ones] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]


@pytest.mark.parametrize("size", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("seed", [0, 7, 2**40 + 3])
def test_masks_are_philoxs(instructions: str, size: int, seed: int) -> None:
    """Of every 64 entries, 16 counters decide: their first numbers on the first 16 entries, and so on."""
    keys = [seed % 2**32, seed // 2**32]
    numbers = [philox([n // 64 * 16 + n % 16, 0, 0, 0], keys)[n % 64 // 16] for n in range(size)]
    found = dropout.dropped(torch.ones(size), seed, 0.3, 2.0)
    assert found.tolist() == [2.0 if number < round(0.7 * 2**32) else 0.0 for number in numbers]


@pytest.mark.parametrize("inverted", [False, True])
def test_weight_dropout(instructions: str, inverted: bool) -> None:
    """A share p is 0, the gradient has the same mask, and torch's seed decides."""
    weight = torch.ones(500, 400, requires_grad=True)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        with mixed():
            found.append(drop_weight(weight, 0.45, training=True, inverted=inverted))
    kept = 1 / 0.55 if inverted else 1.0
    assert found[0].unique().tolist() == pytest.approx([0.0, kept])
    assert (found[0] == 0).float().mean().item() == pytest.approx(0.45, abs=0.005)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    found[0].sum().backward()
    assert torch.equal(weight.grad, found[0])
    with mixed():
        assert torch.equal(drop_weight(weight, 0.45, training=False), weight * 0.55)


def test_without_autocast_torchs_generator_draws_the_mask() -> None:
    torch.manual_seed(1)
    found = drop_weight(torch.ones(9, 9), 0.5, training=True)
    torch.manual_seed(1)
    assert torch.equal(found, torch.empty(9, 9).bernoulli_(0.5))


# --- which instructions


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is logged, by a process that has not said anything yet."""
    monkeypatch.delenv(bf16_kernels.SWITCH, raising=False)
    bf16._tell_float32.cache_clear()
    caplog.set_level(logging.WARNING, bf16.__name__)
    return caplog


@pytest.mark.parametrize(
    ("supported", "maker", "used"),
    [
        (ALL, "GenuineIntel", "AMX"),
        (ALL[1:], "GenuineIntel", None),
        (ALL[1:], "AuthenticAMD", "AVX512_BF16"),
        ((), "AuthenticAMD", None),
    ],
)
def test_instructions_by_processor(
    supported: tuple[str, ...],
    maker: str,
    used: str | None,
    told: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bf16, "_supported", lambda: supported)
    monkeypatch.setattr(bf16, "cpuinfo", lambda: {"vendor_id": maker})
    assert bf16.instructions() == used
    monkeypatch.setenv(bf16_kernels.SWITCH, bf16_kernels.OFF)
    assert bf16.instructions() is None


def test_a_processor_without_any_says_so_once(told: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its products are float32's, to the bit."""
    if not bf16.library():
        pytest.skip("no C++ compiler")
    monkeypatch.setattr(bf16, "_supported", lambda: ())
    net, x = ONLSTM(3, [20]), drawn(5, 2, 3)
    tensors, targets = inputs(40, 6, 10)
    right = net(x)[0], softmax_loss(*tensors, targets)
    for _ in range(2):
        with mixed():
            assert torch.equal(net(x)[0], right[0])
            assert torch.equal(softmax_loss(*tensors, targets), right[1])
    (said,) = told.messages
    assert said == "bf16-mixed: products are in float32, since this processor does not multiply bfloat16 faster"


def test_what_is_not_there_cannot_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bf16, "_supported", lambda: ())
    monkeypatch.setenv(bf16_kernels.SWITCH, "amx")
    with pytest.raises(UserError, match=r"TREES_TICKETS_BF16 is amx, but .*; leave it out, or say off"):
        bf16.instructions()
    monkeypatch.setenv(bf16_kernels.SWITCH, "fast")
    with pytest.raises(UserError, match="TREES_TICKETS_BF16 is 'fast'; expected amx, avx512 or off, or nothing"):
        bf16.instructions()


@pytest.mark.skipif(bf16_kernels.AMX not in bf16._supported(), reason="no AMX here")
def test_a_new_process_may_use_tiles() -> None:
    """Linux ends a process that uses them without having asked."""
    code = (
        "import torch; from app.nets import LSTM; torch.autocast('cpu', torch.bfloat16).__enter__(); "
        "LSTM(4, [20])(torch.randn(5, 2, 4))[0].sum().backward()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
