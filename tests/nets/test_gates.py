"""The rows that nets name as gates are those of the gates: seen in what the cell computes."""

import pytest
import torch
from torch import Tensor

from app.common.protocols import gated_weights
from app.modules import LanguageModel
from app.nets import LSTM, ONLSTM, RecurrentNet

H = 6


def step(net: RecurrentNet, gates: dict[str, float]) -> tuple[Tensor, Tensor, Tensor]:
    """h, c and distance after a step from c = 1, with the rows of some gates at a value and all others at 0."""
    layer = net.layers[0]
    rows = torch.cat([torch.full((count,), gates.get(name, 0.0)) for name, count in layer.gates()])
    return layer.step(rows.repeat(2, 1), torch.ones(2, H))


@pytest.mark.parametrize("net", [ONLSTM(3, [H], 2), LSTM(3, [H])], ids=["ON-LSTM", "LSTM"])
def test_each_gate_does_what_its_name_says(net: RecurrentNet) -> None:
    h, _, _ = step(net, {"output": -100.0})
    assert not h.any()
    _, before, _ = step(net, {})
    _, candidate, _ = step(net, {"candidate": 100.0})
    assert rises(before, candidate)
    assert rises(candidate, step(net, {"candidate": 100.0, "input": 100.0})[1])
    assert rises(before, step(net, {"forget": 100.0})[1])


def rises(before: Tensor, after: Tensor) -> bool:
    """Nowhere less, and somewhere more: what the master gates keep or let in whole does not change."""
    return bool((after >= before).all() and (after > before).any())


def test_master_gates_and_ranks() -> None:
    net = ONLSTM(3, [H], 2)
    layer = net.layers[0]
    assert dict(layer.gates())["master forget"] == layer.ranks == 3
    gates = torch.zeros(1, sum(rows for _, rows in layer.gates()))
    gates[0, 3 + 2] = 100.0  # the last rank alone is kept by the master forget gate
    _, c, _ = layer.step(gates, torch.ones(1, H))
    assert c[0, -1] == 1
    assert c[0, 0] != 1
    assert sum(rows for name, rows in layer.gates() if name.startswith("master")) == layer.prefixed_rows()[0][1]


def test_a_module_has_the_gates_of_its_nets() -> None:
    model = LanguageModel(ONLSTM(4, [6, 4], 2), 9)
    found = gated_weights(model)
    parameters = dict(model.named_parameters())
    assert set(found) == {f"net.layers.{depth}.weight_{kind}" for depth in (0, 1) for kind in ("ih", "hh")}
    for name, gated in found.items():
        assert sum(rows for _, rows in gated.gates) == len(parameters[name])
        assert gated.recurrent == name.endswith("hh")
