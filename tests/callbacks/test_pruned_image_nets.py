"""Batch norm, momentum and weight decay of pruned networks with convolutions."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers.pruning import masked
from helpers.tiny import Probe, same, tiny_trainer, weights
from helpers.tiny_images import TinyImages
from torch import Tensor
from torch.optim import SGD, Adam, Optimizer

from app.modules import Classifier
from app.nets import ResNet
from callbacks import IterativePruningCallback
from callbacks.masked_weights import MaskedWeights

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

STEPS, RATES = 5, {"conv": 0.5}
OPTIMIZERS: dict[str, Callable[[Any], Optimizer]] = {
    "momentum and weight decay": lambda parameters: SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda parameters: SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    "adam": lambda parameters: Adam(parameters, lr=0.01, weight_decay=0.01),
}
CONVS = [f"net.{name}" for name in ResNet(8).prunable_parameters()]


def classifier(optimizer: Callable[[Any], Optimizer] = OPTIMIZERS["momentum and weight decay"]) -> Classifier:
    torch.manual_seed(0)
    return Classifier(ResNet(8), optimizer)


def fit(module: Classifier, *callbacks: Any) -> None:
    tiny_trainer(callbacks, max_steps=STEPS, max_epochs=-1).fit(module, TinyImages())


def push(trainer: Any, module: Classifier) -> None:
    """Give every weight, masked or not, a momentum from before the training."""
    (optimizer,) = trainer.optimizers
    for parameter in module.parameters():
        optimizer.state[parameter] |= {
            "momentum_buffer": torch.full_like(parameter, 0.1),
            "step": torch.tensor(3.0),
            "exp_avg": torch.full_like(parameter, 0.1),
            "exp_avg_sq": torch.full_like(parameter, 0.1),
        }


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_momentum_and_weight_decay_never_move_a_masked_weight(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither do they where the optimiser has a momentum for it; without the masks on weights they would."""

    def after(*probes: Any) -> list[bool]:
        """Whether a masked weight is not 0, after every iteration."""
        module, pruning, found = classifier(OPTIMIZERS[name]), IterativePruningCallback(RATES), []
        pruning.adopt({name: torch.rand(module.get_parameter(name).shape) < 0.5 for name in CONVS}, round=1)

        def look(trainer: Any, module: Classifier) -> None:
            found.append(any(bool(module.get_parameter(name)[~mask].any()) for name, mask in pruning.masks.items()))

        fit(module, pruning, Probe(on_train_start=push), *probes, Probe(on_train_batch_end=look))
        return found

    assert after() == [False] * STEPS
    without = Probe(on_train_start=lambda *_: monkeypatch.setattr(MaskedWeights, "clear", lambda _: None))
    assert after(without) == [True] * STEPS


@pytest.mark.parametrize(("rewind_to", "iteration"), [("0it", 0), ("3it", 3)])
def test_statistics_of_batch_norms_are_rewound_with_the_weights(rewind_to: str, iteration: int) -> None:
    pruning, module = IterativePruningCallback(RATES, rewind_to=rewind_to), classifier()
    dense: dict[int, dict[str, Tensor]] = {}
    note = lambda trainer, module: dense.setdefault(trainer.global_step, weights(module))  # noqa: E731
    fit(module, pruning, Probe(on_train_start=note, on_train_batch_end=note))
    starts: list[dict[str, Tensor]] = []
    fit(module, pruning, Probe(on_train_start=lambda _, module: starts.append(weights(module))))
    assert pruning.round == 1
    assert same(starts[0], masked(dense[iteration], pruning.masks))
    statistics = [name for name in dense[0] if "running" in name or "num_batches" in name]
    assert len(statistics) == 3 * 9
    assert not any(starts[0][name].equal(dense[STEPS][name]) for name in statistics)


def test_a_reinit_begins_with_fresh_statistics() -> None:
    """As a network that was never trained does, drawn with the same random numbers."""
    pruning, module = IterativePruningCallback(RATES), classifier()
    fit(module, pruning)
    fit(module, pruning)
    untrained = classifier()
    for each in (untrained, module):
        torch.manual_seed(5)
        each.reset_parameters()
    pruning.adopt(pruning.masks, round=1)
    starts: list[dict[str, Tensor]] = []
    fit(module, pruning, Probe(on_train_start=lambda _, module: starts.append(weights(module))))
    assert same(starts[0], masked(weights(untrained), pruning.masks))
    assert starts[0]["net.norm.running_mean"].eq(0).all()
    assert starts[0]["net.norm.running_var"].eq(1).all()
