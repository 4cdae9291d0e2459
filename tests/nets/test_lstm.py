"""The LSTM against torch's own."""

import math

import pytest
import torch
from torch import Tensor, nn

from app.modules import LanguageModel
from app.nets import LSTM

pytestmark = pytest.mark.usefixtures("implementation")

TIME, BATCH, FEATURES = 5, 3, 4
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def torchs_own(net: LSTM) -> list[nn.LSTM]:
    """One `nn.LSTM` per layer, because its layers cannot differ in size; with the same weights."""
    own = []
    for layer in net.layers:
        own.append(nn.LSTM(layer.input_size, layer.hidden_size).double())
        own[-1].load_state_dict({f"{name}_l0": getattr(layer, name).detach() for name in NAMES})
    return own


def random(*size: int) -> Tensor:
    return torch.randn(*size, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("sizes", [[6], [6, 2, 7]])
def test_it_is_torchs_own_with_its_gradients(sizes: list[int], with_state: bool) -> None:
    torch.manual_seed(1)
    net = LSTM(FEATURES, sizes).double()
    own, x = torchs_own(net), random(TIME, BATCH, FEATURES)
    states = [random(2, BATCH, size) for size in sizes]
    weighting = random(TIME, BATCH, sizes[-1]).detach()

    output, (h, c), _ = net(x, ([s[0] for s in states], [s[1] for s in states]) if with_state else None)
    right, last = x, []
    for layer, state in zip(own, states, strict=True):
        right, (h_n, c_n) = layer(right, (state[:1].contiguous(), state[1:].contiguous()) if with_state else None)
        last.append((h_n[0], c_n[0]))

    torch.testing.assert_close(output, right, rtol=0, atol=1e-12)
    for found, (right_h, right_c) in zip(zip(h, c, strict=True), last, strict=True):
        torch.testing.assert_close(found, (right_h, right_c), rtol=0, atol=1e-12)

    leaves = [x, *(states if with_state else [])]
    ours = torch.autograd.grad((output * weighting).sum() + c[0].sum(), [*leaves, *net.parameters()])
    theirs = torch.autograd.grad(
        (right * weighting).sum() + last[0][1].sum(), [*leaves, *(p for layer in own for p in layer.parameters())]
    )
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-12)


def test_distances_are_how_much_is_forgotten() -> None:
    torch.manual_seed(2)
    net = LSTM(FEATURES, [5, 3]).double()
    x = random(TIME, BATCH, FEATURES).detach()
    _, _, distances = net(x)
    assert distances.shape == (2, TIME, BATCH)
    for layer, found in zip(net.layers, distances, strict=True):
        size = layer.hidden_size
        # The second quarter of the rows, as in torch's own.
        rows = slice(size, 2 * size)
        w, u = layer.weight_ih.detach()[rows], layer.weight_hh.detach()[rows]
        b = (layer.bias_ih + layer.bias_hh).detach()[rows]
        outputs, _, _, _ = layer(x, torch.zeros(BATCH, size).double(), torch.zeros(BATCH, size).double())
        for time in range(TIME):
            for column in range(BATCH):
                before = outputs[time - 1, column].tolist() if time else [0.0] * size
                gates = []
                for unit in range(size):
                    z = b[unit].item()
                    z += sum(p * q for p, q in zip(w[unit].tolist(), x[time, column].tolist(), strict=True))
                    z += sum(p * q for p, q in zip(u[unit].tolist(), before, strict=True))
                    gates.append(1 / (1 + math.exp(-z)))
                assert found[time, column].item() == pytest.approx(1 - sum(gates) / size, abs=1e-12)
        x = outputs.detach()


def test_drawn_as_torchs_own() -> None:
    torch.manual_seed(5)
    net = LSTM(FEATURES, [6])
    torch.manual_seed(5)
    own = nn.LSTM(FEATURES, 6)
    for name in NAMES:
        assert getattr(net.layers[0], name).equal(getattr(own, f"{name}_l0"))


def test_the_papers_size() -> None:
    with torch.device("meta"):
        model = LanguageModel(LSTM(400, [1150, 1150, 400]), 10_000)
    assert sum(parameter.numel() for parameter in model.parameters()) == 24_221_600


def test_names_and_shapes_of_parameters() -> None:
    assert {name: tuple(value.shape) for name, value in LSTM(5, [6, 4]).state_dict().items()} == {
        "layers.0.weight_ih": (24, 5), "layers.0.weight_hh": (24, 6), "layers.0.bias_ih": (24,),
        "layers.0.bias_hh": (24,), "layers.1.weight_ih": (16, 6), "layers.1.weight_hh": (16, 4),
        "layers.1.bias_ih": (16,), "layers.1.bias_hh": (16,),
    }  # fmt: skip
