"""What cannot be pruned is refused in one line."""

from typing import Any

import pytest
import torch
from helpers.pruning import draw, masked
from helpers.tiny import (
    RATES,
    TinyModule,
    same,
    weights,
)
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy, FSDPStrategy
from torch import nn

from app.common.errors import UserError
from callbacks import IterativePruningCallback

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rates": {}}, "rates is empty"),
        ({"rates": {"fc": 0}}, r"rates\.fc is 0"),
        ({"rates": {"fc": 0.2, "output": 1}}, r"rates\.output is 1"),
        ({"rates": {"fc": -0.2}}, r"rates\.fc is -0\.2"),
        ({"rates": {"fc": float("nan")}}, r"rates\.fc is nan"),
        ({"rates": RATES, "scope": "everywhere"}, "scope is 'everywhere'; choose one of layerwise, kind, global"),
        ({"rates": RATES, "rewind_to": "soon"}, "rewind_to is 'soon'"),
        ({"rates": RATES, "rewind_to": "-1it"}, "rewind_to is '-1it'"),
        ({"rates": RATES, "rewind_to": 5}, "rewind_to is 5; write iterations as '500it'"),
        ({"rates": RATES, "rewind_to": None}, "rewind_to is None"),
        ({"rates": RATES, "rewind_to": "9" * 5000 + "it"}, "rewind_to is '999"),
        ({"rates": {"fc": "0.2", "output": "0.1"}}, r"rates\.fc is '0\.2'; expected a number between 0 and 1"),
        ({"rates": {"fc": None}}, r"rates\.fc is None"),
        ({"rates": "0.2"}, "rates is '0.2'; expected a rate per layer kind"),
        ({"rates": 0.2}, "rates is 0.2; expected a rate per layer kind"),
        ({"rates": [0.2, 0.1]}, "expected a rate per layer kind"),
        ({"rates": RATES, "scope": ["global"]}, "scope is"),
        (
            {"rates": RATES, "scope": "global"},
            r"at one rate, and rates has fc 0\.3, output 0\.2; give all kinds the same",
        ),
        ({"rates": RATES, "least_per_layer": -1}, "least_per_layer is -1; expected a whole number of weights"),
        ({"rates": RATES, "least_per_layer": 0.5}, r"least_per_layer is 0\.5"),
        ({"rates": RATES, "least_per_layer": True}, "least_per_layer is True"),
        ({"rates": RATES, "score": None}, "score is None"),
        ({"rates": RATES, "score": 3}, "score is 3"),
    ],
)
def test_options_that_make_no_sense_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        IterativePruningCallback(**arguments)
    assert isinstance(raised.value, ValueError)
    assert "\n" not in str(raised.value)


def test_a_module_that_declares_nothing_is_pruned_by_default(module: TinyModule) -> None:
    module.net.prunable_parameters = dict
    ticket = IterativePruningCallback(RATES)
    draw(ticket, module, 1)
    assert set(ticket.masks) == {"net.fc.weight", "net.output.weight"}


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (["net.fc.weight"], "returns a list; expected"),
        ((name for name in ("net.fc.weight",)), "returns a generator; expected"),
        ("net.fc.weight", "returns a str; expected"),
        ({"net.fc": "fc"}, "names net.fc; its parameters are"),
        ({"net.fc.weight": 0.2}, "maps str to float; expected"),
        ({"net.fc.weight": None, "net.output.weight": "output"}, "maps str to NoneType; expected"),
        ({torch.nn.Parameter(torch.ones(1)): "fc"}, "maps Parameter to str; expected"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(module: TinyModule, declared: Any, said: str) -> None:
    module.prunable_parameters = lambda: declared
    with pytest.raises(UserError, match=said) as raised:
        draw(IterativePruningCallback(RATES), module, 1)
    assert "\n" not in str(raised.value)


def test_a_declaration_that_is_no_method_is_refused(module: TinyModule) -> None:
    module.prunable_parameters = {"net.fc.weight": "fc"}
    with pytest.raises(UserError, match=r"TinyModule\.prunable_parameters is a dict; expected a method"):
        draw(IterativePruningCallback(RATES), module, 1)


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ({"net.fc": 3}, "names net.fc; the pruned tensors are net.fc.weight, net.output.weight"),
        ({"net.fc.weight": 49}, "of net.fc.weight is 49; there are 48 weights left"),
        ({"net.fc.weight": -1}, "of net.fc.weight is -1"),
        ({"net.fc.weight": "3"}, "of net.fc.weight is '3'"),
        ({"net.fc.weight": 0.5}, "of net.fc.weight is 0.5"),
        (73, "survivors_to_keep is 73; there are 72 weights left"),
        (-1, "survivors_to_keep is -1"),
        (0.5, "survivors_to_keep is 0.5"),
    ],
)
def test_counts_that_make_no_sense_are_refused(module: TinyModule, kept: Any, said: str) -> None:
    pruning = IterativePruningCallback(RATES)
    draw(pruning, module, 1)
    with pytest.raises(UserError, match=said) as raised:
        pruning.next_round(module, survivors_to_keep=kept)
    assert "\n" not in str(raised.value)
    assert pruning.round == 0
    pruning.next_round(module, survivors_to_keep={"net.fc.weight": 3})
    assert {name: int(mask.sum()) for name, mask in pruning.masks.items()} == {
        "net.fc.weight": 3,
        "net.output.weight": 24,
    }


def test_two_callbacks_that_prune_are_refused(module: TinyModule) -> None:
    other = IterativePruningCallback(RATES, rewind_to="1it")
    with pytest.raises(UserError, match="a fit takes one IterativePruningCallback"):
        draw(IterativePruningCallback(RATES), module, 1, other)


def test_kinds_without_a_rate_and_rates_without_a_kind_are_refused(module: TinyModule) -> None:
    with pytest.raises(UserError, match="no rate for output"):
        draw(IterativePruningCallback({"fc": 0.2}), module, 1)
    with pytest.raises(UserError, match="names conv"):
        draw(IterativePruningCallback(RATES | {"conv": 0.2}), module, 1)


@pytest.mark.parametrize("strategy", ["ddp_spawn", "ddp_fork", "ddp_notebook", FSDPStrategy(), DeepSpeedStrategy])
def test_strategies_that_copy_or_split_the_network_are_refused(module: TinyModule, strategy: Any) -> None:
    if strategy is DeepSpeedStrategy:  # an optional package; its class is there without it
        strategy = object.__new__(DeepSpeedStrategy)
        strategy._start_method = "popen"
    elif isinstance(strategy, str):
        strategy = DDPStrategy(start_method=strategy.removeprefix("ddp_").replace("notebook", "fork"))

    class Given:
        pass

    trainer = Given()
    trainer.strategy = strategy
    with pytest.raises(UserError, match="use one device or strategy ddp") as raised:
        IterativePruningCallback(RATES).setup(trainer, module, "fit")
    assert "\n" not in str(raised.value)


def test_another_network_in_the_next_round_is_refused_in_one_line(module: TinyModule) -> None:
    pruning = IterativePruningCallback(RATES)
    draw(pruning, module, 1)
    other = TinyModule(nn.Sequential())
    other.net.hidden = nn.Linear(6, 3)
    other.prunable_parameters = lambda: {"net.hidden.weight": "fc", "net.hidden.bias": "output"}
    with pytest.raises(UserError, match=r"net\.fc\.weight") as raised:
        draw(pruning, other, 1)
    assert "\n" not in str(raised.value)


def test_lambda_callbacks_see_a_rewound_module_in_setup_if_they_come_later(module: TinyModule) -> None:
    pruning, initial, seen = IterativePruningCallback(RATES), weights(module), []
    draw(pruning, module, 1)
    probe = LambdaCallback(setup=lambda trainer, module, stage: seen.append(weights(module)))
    draw(pruning, module, 1, probe)
    assert same(seen[0], masked(initial, pruning.masks))
