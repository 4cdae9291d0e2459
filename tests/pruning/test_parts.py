"""Tensors whose rows are of several kinds, against lists of weights that are removed one at a time."""

import decimal
from typing import Any

import pytest
import torch
from helpers.language import language_model, lstm, on_lstm
from helpers.tiny_lottery import TinyNet
from torch import Tensor, nn

from app.common.errors import UserError
from app.common.prunable import Part, prunable_parameters, prunable_parts
from app.nets.on_lstm import on_lstm_step
from app.pruning import Masks, weight_sizes
from app.pruning.parts import part_pools_to_keep, part_sizes
from callbacks import IterativePruningCallback

RATES = {"ih": 0.3, "hh": 0.2, "master_ih": 0.5, "master_hh": 0.4}
# on_lstm() has 6 and 4 units in chunks of 2: 3 and 2 chunks, so 6 and 4 rows of master gates.
MASTER_ROWS = {0: 6, 1: 4}

Place = tuple[str, int, int]


def kind(name: str, row: int) -> str:
    """By hand: the kind of a weight of a layer."""
    depth, weight = int(name.split(".")[2]), name.rpartition("_")[2]
    return f"master_{weight}" if row < MASTER_ROWS[depth] else weight


def pruned(
    model: Any, masks: Masks, scope: str, rates: dict[str, float] | None, least: int = 0, **options: Any
) -> Masks:
    ticket = IterativePruningCallback(rates, scope, least_per_layer=least)
    ticket.adopt(masks, round=0, rewind_point=model.state_dict())
    ticket.next_round(model, **options)
    return ticket.masks


def brute_force(weights: dict[str, Tensor], masks: Masks, scope: str, rates: dict[str, float]) -> Masks:
    """Remove the smallest surviving weight of a group, as often as the group's rate says."""
    groups: dict[object, list[Place]] = {}
    for name, mask in masks.items():
        for row, column in mask.nonzero().tolist():
            if kind(name, row) in rates:
                group = {"layerwise": (name, kind(name, row)), "kind": kind(name, row), "global": ""}[scope]
                groups.setdefault(group, []).append((name, row, column))
    left = {name: mask.clone() for name, mask in masks.items()}
    for places in groups.values():
        rate = decimal.Decimal(str(rates[kind(*places[0][:2])]))
        times = int((rate * len(places)).quantize(decimal.Decimal(1), rounding=decimal.ROUND_HALF_EVEN))
        for name, row, column in sorted(places, key=lambda place: abs(weights[place[0]][place[1:]].item()))[:times]:
            left[name][row, column] = False
    return left


@pytest.mark.parametrize("chosen", [None, ["master_ih", "master_hh"], ["ih", "hh"], ["hh", "master_ih"]])
@pytest.mark.parametrize("scope", ["layerwise", "kind", "global"])
def test_rows_of_a_kind_are_ranked_by_themselves(scope: str, chosen: list[str] | None) -> None:
    model = language_model(on_lstm(), prunable=chosen)
    weights = {name: value.detach().clone() for name, value in model.named_parameters()}
    rates = {name: rate for name, rate in RATES.items() if chosen is None or name in chosen}
    if scope == "global":
        rates = dict.fromkeys(rates, 0.25)
    draw = torch.Generator().manual_seed(3)
    masks = {name: (torch.rand(weights[name].shape, generator=draw) < 0.7) for name in prunable_parameters(model)}
    expected = brute_force(weights, masks, scope, rates)
    found = pruned(model, masks, scope, rates)
    assert found.keys() == expected.keys()
    for name, mask in found.items():
        assert mask.equal(expected[name]), name
        assert not mask.equal(masks[name]), "nothing was pruned"


def test_the_first_rows_are_the_master_gates() -> None:
    """Equation 15: distances follow from master forget gates alone, rows K to 2K; and those of h from master inputs."""
    gates = torch.randn(3, 2 * 3 + 4 * 6, requires_grad=True)
    h, _, distance = on_lstm_step(gates, torch.randn(3, 6), 2)
    used = torch.autograd.grad(distance.sum(), gates, retain_graph=True)[0].abs().sum(0) > 0
    assert used.nonzero().flatten().tolist() == [3, 4, 5]
    parts = prunable_parts(on_lstm())
    assert parts["layers.0.weight_ih[0:6]"] == Part("layers.0.weight_ih", "master_ih", (0, 6))
    assert parts["layers.1.weight_hh[4:20]"] == Part("layers.1.weight_hh", "hh", (4, 20))
    assert (torch.autograd.grad(h.sum(), gates)[0].abs().sum(0)[:3] > 0).all()


def test_least_is_kept_of_every_kind() -> None:
    model = language_model(on_lstm())
    masks = {name: torch.ones_like(model.get_parameter(name), dtype=torch.bool) for name in prunable_parameters(model)}
    with torch.no_grad():
        model.net.layers[0].weight_hh[:6] *= 1e-3  # the smallest of all
    rates = dict.fromkeys(RATES, 0.5)
    with pytest.warns(UserWarning, match=r"leaves no weight in net\.layers\.0\.weight_hh\[0:6\]: nothing"):
        assert not pruned(model, masks, "global", rates)["net.layers.0.weight_hh"][:6].any()
    model = language_model(on_lstm())
    with torch.no_grad():
        model.net.layers[0].weight_hh[:6] *= 1e-3
    assert pruned(model, masks, "global", rates, least=5)["net.layers.0.weight_hh"][:6].sum() == 5


def test_exact_counts_of_parts_of_tensors_and_of_all() -> None:
    model = language_model(on_lstm(), prunable=["hh", "master_ih"])
    masks = {name: torch.ones_like(model.get_parameter(name), dtype=torch.bool) for name in prunable_parameters(model)}
    sizes = {name: mask.numel() for name, mask in masks.items()}
    name = "net.layers.0.weight_hh"  # 30 x 6, of which 24 x 6 may go
    by_part = pruned(model, masks, "layerwise", None, survivors_to_keep={f"{name}[6:30]": 10})
    assert by_part[name][:6].all()
    assert by_part[name][6:].sum() == 10
    assert all(mask.all() for each, mask in by_part.items() if each != name)
    model = language_model(on_lstm(), prunable=["hh", "master_ih"])
    assert pruned(model, masks, "layerwise", None, survivors_to_keep={name: 50})[name][6:].sum() == 50 - 36
    model = language_model(on_lstm(), prunable=["hh", "master_ih"])
    in_all = pruned(model, masks, "layerwise", None, survivors_to_keep=40)
    spared = sum(sizes.values()) - sum(
        size for part, size in part_sizes(model).items() if part in prunable_parts(model)
    )
    assert sum(int(mask.sum()) for mask in in_all.values()) == spared + 40


def test_a_tensor_and_its_part_have_one_count() -> None:
    parts = {"w[0:1]": Part("w", "a", (0, 1)), "w[1:2]": Part("w", "b", (1, 2))}
    left = {"w[0:1]": 4, "w[1:2]": 4}
    assert part_pools_to_keep({"w": 3}, left, {"w": 8}, parts) == {("w[0:1]", "w[1:2]"): 3}
    with pytest.raises(UserError, match=r"names w and its part w\[1:2\]; name one"):
        part_pools_to_keep({"w": 3, "w[1:2]": 1}, left, {"w": 8}, parts)


def test_sizes_of_parts_sum_to_those_of_the_tensors() -> None:
    for chosen in (None, ["hh"], ["embedding", "master_hh"]):
        model = language_model(on_lstm(), prunable=chosen)
        assert sum(part_sizes(model).values()) == sum(weight_sizes(model).values())


def test_kinds_of_a_language_model() -> None:
    net = {f"net.layers.{layer}.weight_{kind}": kind for layer in (0, 1) for kind in ("ih", "hh")}
    assert prunable_parameters(language_model(lstm())) == net
    everything = {"embedding.weight": "embedding"} | net
    assert prunable_parameters(language_model(lstm(), prunable=["hh", "ih", "embedding"])) == everything
    assert prunable_parameters(language_model(lstm(), tied=False)) == net | {"decoder.weight": "output"}
    masters = {name: f"master_{kind}, {kind}" for name, kind in net.items()}
    assert prunable_parameters(language_model(on_lstm())) == masters
    spared = prunable_parameters(language_model(on_lstm(), prunable=["ih", "embedding"]))
    assert spared == {"embedding.weight": "embedding", "net.layers.0.weight_ih": "ih", "net.layers.1.weight_ih": "ih"}


@pytest.mark.parametrize(
    ("chosen", "says"), [(["fc", "hh"], "prunable names fc; .* are embedding, hh, ih$"), ([], "prunable is empty; ")]
)
def test_kinds_that_there_are_not_are_refused(chosen: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        language_model(lstm(), prunable=chosen)


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ([("a", 4), ("b", 9)], r"gives kinds to 13 rows of fc\.weight, which has 12"),
        ([("a", 4), ("b", "8")], r"maps str to list; expected .* or \[\(layer kind, rows\)"),
        (7, "maps str to int; expected"),
    ],
)
def test_rows_that_do_not_fit_are_refused(declared: Any, says: str) -> None:
    net: nn.Module = TinyNet()
    net.prunable_parameters = lambda: {"fc.weight": declared}  # type: ignore[assignment]
    with pytest.raises(UserError, match=says):
        prunable_parts(net)
