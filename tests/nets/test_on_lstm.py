"""The ON-LSTM against its paper's equations, written as loops over numbers."""

import math
from itertools import accumulate

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from app.common.errors import UserError
from app.modules import LanguageModel
from app.nets import ONLSTM

pytestmark = pytest.mark.usefixtures("implementation")

# The rows of every parameter: the two master gates of K rows each, then four gates of H rows each.
GATES = ("master input", "master forget", "output", "candidate", "input", "forget")
Gate = dict[str, list]  # W, U, b and b' of Wx + b + Uh + b'


def float64(values: list) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def draw(generator: torch.Generator, *sizes: int) -> list:
    return (2 * torch.randn(*sizes, dtype=torch.float64, generator=generator)).tolist()


def random_gates(net: ONLSTM, seed: int) -> list[dict[str, Gate]]:
    """Separate parameters for every layer and gate; the net gets them concatenated."""
    generator, layers = torch.Generator().manual_seed(seed), []
    for layer in net.layers:
        rows = dict.fromkeys(GATES, layer.hidden_size)
        rows["master input"] = rows["master forget"] = layer.hidden_size // layer.chunk_size
        gates = {
            name: {
                "W": draw(generator, size, layer.input_size),
                "U": draw(generator, size, layer.hidden_size),
                "b": draw(generator, size),
                "b'": draw(generator, size),
            }
            for name, size in rows.items()
        }
        parameters = {"W": layer.weight_ih, "U": layer.weight_hh, "b": layer.bias_ih, "b'": layer.bias_hh}
        with torch.no_grad():
            for which, parameter in parameters.items():
                parameter.copy_(float64([row for name in GATES for row in gates[name][which]]))
        layers.append(gates)
    return layers


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def cumax(values: list[float]) -> list[float]:
    exponentials = [math.exp(value - max(values)) for value in values]
    return list(accumulate(value / math.fsum(exponentials) for value in exponentials))


def affine(gate: Gate, x: list[float], h: list[float]) -> list[float]:
    return [
        math.fsum(w * v for w, v in zip(gate["W"][row], x, strict=True))
        + gate["b"][row]
        + math.fsum(u * v for u, v in zip(gate["U"][row], h, strict=True))
        + gate["b'"][row]
        for row in range(len(gate["b"]))
    ]


def step_by_loops(gates: dict[str, Gate], chunk: int, x: list[float], h: list[float], c: list[float]) -> tuple:
    """Equations 1-14 for one sequence at one time, unit by unit."""
    z = {name: affine(gate, x, h) for name, gate in gates.items()}
    master_forget = cumax(z["master forget"])
    master_input = [1 - value for value in cumax(z["master input"])]
    new_h, new_c = [], []
    for unit in range(len(h)):
        wide_forget, wide_input = master_forget[unit // chunk], master_input[unit // chunk]
        overlap = wide_forget * wide_input
        forget = sigmoid(z["forget"][unit]) * overlap + (wide_forget - overlap)
        input = sigmoid(z["input"][unit]) * overlap + (wide_input - overlap)
        new_c.append(forget * c[unit] + input * math.tanh(z["candidate"][unit]))
        new_h.append(sigmoid(z["output"][unit]) * math.tanh(new_c[-1]))
    return new_h, new_c, 1 - math.fsum(master_forget) / len(master_forget)


def read_by_loops(net: ONLSTM, layers: list[dict[str, Gate]], x: list, h: list, c: list) -> tuple:
    """x as (T, B, features), h and c as (layers, B, units), all lists; outputs, h, c, distances likewise."""
    last_h, last_c, distances = [], [], []
    for depth, gates in enumerate(layers):
        hs, cs, outputs, distance = list(h[depth]), list(c[depth]), [], []
        for words in x:
            chunk = net.layers[depth].chunk_size
            steps = [step_by_loops(gates, chunk, *column) for column in zip(words, hs, cs, strict=True)]
            hs, cs = [step[0] for step in steps], [step[1] for step in steps]
            outputs.append(hs)
            distance.append([step[2] for step in steps])
        x = outputs
        last_h.append(hs)
        last_c.append(cs)
        distances.append(distance)
    return x, last_h, last_c, distances


def agree(found: Tensor, right: list) -> bool:
    return found.shape == float64(right).shape and bool(((found - float64(right)).abs() <= 1e-12).all())


def check(net: ONLSTM, time: int, batch: int, seed: int, *, with_state: bool) -> None:
    layers, generator = random_gates(net.double(), seed), torch.Generator().manual_seed(seed + 1)
    x = draw(generator, time, batch, net.input_size)
    h = [draw(generator, batch, layer.hidden_size) for layer in net.layers]
    c = [draw(generator, batch, layer.hidden_size) for layer in net.layers]
    state = list(map(float64, h)), list(map(float64, c))
    if not with_state:
        h, c = ([[[0.0] * layer.hidden_size] * batch for layer in net.layers] for _ in range(2))
    output, (last_h, last_c), distances = net(float64(x), state if with_state else None)
    right_output, right_h, right_c, right_distances = read_by_loops(net, layers, x, h, c)
    assert agree(output, right_output)
    assert agree(distances, right_distances)
    assert len(last_h) == len(last_c) == len(net.layers)
    assert all(agree(*pair) for pair in zip(last_h, right_h, strict=True))
    assert all(agree(*pair) for pair in zip(last_c, right_c, strict=True))


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("chunk_size", [1, 2, 5, 10])
def test_the_equations(chunk_size: int, with_state: bool) -> None:
    check(ONLSTM(3, [10, 20, 10], chunk_size), time=4, batch=2, seed=chunk_size, with_state=with_state)


@settings(max_examples=30)
@given(
    st.integers(1, 4), st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(1, 3), st.integers(1, 4),
    st.integers(1, 3), st.booleans(), st.integers(0, 2**20),
)  # fmt: skip
def test_the_equations_at_any_size(
    features: int, chunks: list[int], chunk_size: int, time: int, batch: int, with_state: bool, seed: int
) -> None:
    net = ONLSTM(features, [chunk_size * count for count in chunks], chunk_size)
    check(net, time, batch, seed, with_state=with_state)


@pytest.mark.parametrize(("layers", "chunk_size"), [([4, 2], 2), ([3], 1), ([3], 3)])
def test_gradcheck(layers: list[int], chunk_size: int) -> None:
    torch.manual_seed(3)
    net = ONLSTM(2, layers, chunk_size).double()
    names, parameters = zip(*net.named_parameters(), strict=True)
    sizes = [(3, 2, 2), *((2, size) for size in layers), *((2, size) for size in layers)]
    inputs = [torch.randn(size, dtype=torch.float64).requires_grad_() for size in sizes]

    def function(*values: Tensor) -> tuple[Tensor, ...]:
        x, *states = values[: len(inputs)]
        state = states[: len(layers)], states[len(layers) :]
        output, (h, c), _ = torch.func.functional_call(
            net, dict(zip(names, values[len(inputs) :], strict=True)), (x, state)
        )
        return output, *h, *c

    values = (*inputs, *(p.detach().clone().requires_grad_() for p in parameters))
    assert torch.autograd.gradcheck(function, values)
    if len(layers) == 1:
        assert torch.autograd.gradgradcheck(function, values, fast_mode=True)


def gates_by_bias(**biases: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One step, from cell states of one, of a layer of 4 units in 2 chunks whose weights are zero, so that the biases
    determine the gates: h, c, the candidate's value and the distance. A master gate's bias applies to its first chunk.
    """
    net = ONLSTM(1, [4], 2).double()
    (layer,) = net.layers
    values = {name.replace(" ", "_"): torch.zeros(2 if "master" in name else 4) for name in GATES}
    for name, bias in biases.items():
        values[name][: 1 if "master" in name else 4] = bias
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.bias_ih.copy_(torch.cat(list(values.values())))
    ones = torch.ones(1, 4, dtype=torch.float64)
    output, (_, (c,)), distances = net(torch.zeros(1, 1, 1, dtype=torch.float64), ([ones], [ones]))
    return output[0, 0], c[0], distances


def test_what_each_gate_does() -> None:
    high = 100.0
    # Master forget high from the first chunk on: everything is kept, nothing new is a constituent's end.
    _, c, distance = gates_by_bias(master_forget=high, master_input=high)
    assert c.tolist() == pytest.approx([1] * 4)
    assert distance.item() == pytest.approx(0)
    # Master forget high in the last chunk only: the first is erased; half of the chunks are below the split.
    _, c, distance = gates_by_bias(master_forget=-high, master_input=high)
    assert c.tolist() == pytest.approx([0, 0, 1, 1])
    assert distance.item() == pytest.approx(0.5)
    # Master input high up to the first chunk: the candidate is written there, and never to the last chunk.
    _, c, _ = gates_by_bias(master_forget=-high, master_input=-high, candidate=high)
    assert c.tolist() == pytest.approx([1, 1, 1, 1])
    _, c, _ = gates_by_bias(master_forget=-high, master_input=-high, candidate=-high)
    assert c.tolist() == pytest.approx([-1, -1, 1, 1])
    # Where both reach, the ordinary gates decide.
    overlapping = {"master_forget": high, "master_input": -high, "candidate": -high}
    for input, forget, first in ((high, high, 0), (high, -high, -1), (-high, high, 1), (-high, -high, 0)):
        _, c, _ = gates_by_bias(**overlapping, input=input, forget=forget)
        assert c.tolist() == pytest.approx([first, first, 1, 1])
    # The output gate.
    for bias, share in ((high, 1.0), (0.0, 0.5), (-high, 0.0)):
        h, _, _ = gates_by_bias(master_forget=high, master_input=high, output=bias)
        assert h.tolist() == pytest.approx([share * math.tanh(1)] * 4)


@given(st.integers(1, 4), st.integers(0, 2**20))
@settings(max_examples=20)
def test_the_last_chunk_is_never_written(chunks: int, seed: int) -> None:
    """Equation 10: the master input gate falls to 0."""
    net = ONLSTM(3, [2 * chunks], 2).double()
    random_gates(net, seed)
    x = torch.tensor(draw(torch.Generator().manual_seed(seed), 6, 2, 3), dtype=torch.float64)
    _, (_, (c,)), _ = net(x)
    torch.testing.assert_close(c[:, -2:], torch.zeros(2, 2).double(), rtol=0, atol=1e-14)
    assert chunks == 1 or c[:, :-2].abs().max() > 1e-6


def test_names_and_shapes_of_parameters() -> None:
    net = ONLSTM(5, [6, 4], chunk_size=2)
    rows = [2 * 3 + 4 * 6, 2 * 2 + 4 * 4]
    assert {name: tuple(value.shape) for name, value in net.state_dict().items()} == {
        "layers.0.weight_ih": (rows[0], 5), "layers.0.weight_hh": (rows[0], 6),
        "layers.0.bias_ih": (rows[0],), "layers.0.bias_hh": (rows[0],),
        "layers.1.weight_ih": (rows[1], 6), "layers.1.weight_hh": (rows[1], 4),
        "layers.1.bias_ih": (rows[1],), "layers.1.bias_hh": (rows[1],),
    }  # fmt: skip


def test_the_papers_size() -> None:
    with torch.device("meta"):
        model = LanguageModel(ONLSTM(400, [1150, 1150, 400]), 10_000)
    assert [layer.chunk_size for layer in model.net.layers] == [10, 10, 10]
    assert sum(parameter.numel() for parameter in model.parameters()) == 25_232_180


def test_drawn_as_nn_linear_draws() -> None:
    torch.manual_seed(0)
    net = ONLSTM(400, [100], 10)
    (layer,) = net.layers
    for weight, bias in ((layer.weight_ih, layer.bias_ih), (layer.weight_hh, layer.bias_hh)):
        bound = weight.shape[1] ** -0.5
        for parameter in (weight, bias):
            assert 0.97 * bound < parameter.abs().max() <= bound
            assert parameter.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)


@pytest.mark.parametrize(
    ("sizes", "chunk_size", "size"), [([10], 3, 10), ([6, 10, 6], 6, 10), ([4], 5, 4), ([4], 0, 4)]
)
def test_a_chunk_size_that_does_not_divide(sizes: list[int], chunk_size: int, size: int) -> None:
    with pytest.raises(UserError, match=rf"^chunk_size {chunk_size}\b[^\n]* {size} units[^\n]*$"):
        ONLSTM(4, sizes, chunk_size)
