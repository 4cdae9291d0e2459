"""What happens to a ticket's weights and gradients while it trains, against plain PyTorch loops."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers.pruning import STEPS, SURVIVORS, draw, masked
from helpers.tiny import (
    RATES,
    Probe,
    TinyData,
    TinyModule,
    optimizers,
    weights,
    with_validation,
)
from lightning.pytorch import Trainer
from torch import Tensor
from torch.optim import SGD

from callbacks import IterativePruningCallback

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


def plain_training(
    start: dict[str, Tensor],
    masks: dict[str, Tensor],
    *,
    optimizer: Callable[[Any], torch.optim.Optimizer],
    clip: float | None,
    accumulate: int = 1,
) -> dict[str, Tensor]:
    """A masked training in plain PyTorch: one training set, in the order of fresh loaders."""
    module = TinyModule()
    module.load_state_dict(start)
    adam, loader = optimizer(module), TinyData().train_dataloader()
    batches = [batch for _ in range(6) for batch in loader]  # an epoch has 7
    parameters = dict(module.named_parameters())
    taken = steps = 0
    while steps < STEPS:
        rows, labels = batches[taken]
        taken += 1
        (F.cross_entropy(module.net(rows), labels) / accumulate).backward()
        if taken % 7 % accumulate and taken % 7:
            continue
        for name, mask in masks.items():
            parameters[name].grad *= mask
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(module.parameters(), clip)
        adam.step()
        adam.zero_grad()
        steps += 1
        with torch.no_grad():
            for name, mask in masks.items():
                parameters[name] *= mask
    return weights(module)


@pytest.mark.parametrize("name", optimizers())
@pytest.mark.parametrize(("clip", "accumulate"), [(None, 1), (0.05, 3)])
def test_a_ticket_trains_as_in_a_plain_loop(name: str, clip: float | None, accumulate: int) -> None:
    torch.manual_seed(0)
    module = TinyModule(configure=optimizers()[name])
    pruning = IterativePruningCallback({"fc": 0.8, "output": 0.7})
    draw(pruning, module, 2, gradient_clip_val=clip, accumulate_grad_batches=accumulate)
    start = masked(pruning.rewind_point, pruning.masks)
    expected = plain_training(start, pruning.masks, optimizer=optimizers()[name], clip=clip, accumulate=accumulate)
    trained = weights(module)
    assert all(trained[name].equal(value) for name, value in expected.items())  # whatever the sign of a masked 0


@pytest.mark.parametrize(("name", "accumulate"), [*((name, 1) for name in optimizers()), ("adam", 2)])
def test_masked_weights_are_zero_at_every_moment(name: str, accumulate: int) -> None:
    torch.manual_seed(0)
    module = TinyModule(configure=optimizers()[name])
    pruning, looks = IterativePruningCallback(RATES), []

    def look(trainer: Trainer, module: TinyModule) -> None:
        looks.append(all(not module.get_parameter(name)[~mask].any() for name, mask in pruning.masks.items()))

    moments = ("on_train_start", "on_train_batch_start", "on_train_batch_end", "on_validation_start", "on_train_end")
    probe = Probe(**dict.fromkeys(moments, look))
    draw(pruning, module, 3, probe, accumulate_grad_batches=accumulate, **with_validation(3))
    assert len(looks) > 60
    assert all(looks)


def test_what_an_optimiser_does_to_masked_weights_is_undone(module: TinyModule) -> None:
    class Restless(SGD):
        """Moves every weight, whatever its gradient."""

        def step(self, closure: Any = None) -> Any:
            loss = super().step(closure)
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.data += 0.01
            return loss

    module.configure = lambda module: Restless(module.parameters(), lr=0.1)
    pruning = IterativePruningCallback(RATES)
    draw(pruning, module, 3)
    assert {name: int((module.get_parameter(name) != 0).sum()) for name in pruning.masks} == SURVIVORS[2]


def test_only_live_gradients_reach_the_optimiser_and_the_clipping(module: TinyModule) -> None:
    pruning, norms = IterativePruningCallback(RATES), []

    class Watched(SGD):
        def step(self, closure: Any = None) -> Any:
            closure()
            grads = {name: parameter.grad for name, parameter in module.named_parameters()}
            assert all(not grads[name][~mask].any() for name, mask in pruning.masks.items())
            norms.append(torch.cat([grad.flatten() for grad in grads.values()]).norm().item())
            return super().step()

    module.configure = lambda module: Watched(module.parameters(), lr=0.1)
    draw(pruning, module, 3, gradient_clip_val=0.01)
    # Clipped to exactly the allowed norm, although most of the gradient was masked: the masked part took no share.
    assert norms[-STEPS:] == pytest.approx([0.01] * STEPS, rel=1e-3)


def test_a_masked_gradient_that_is_not_finite_does_no_harm() -> None:
    class Rooted(TinyModule):
        """Penalises sqrt(w ** 2), whose gradient at a masked weight is 0 / 0."""

        def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
            return super().training_step(batch, batch_idx) + 0.01 * self.net.fc.weight.square().sqrt().sum()

    torch.manual_seed(0)
    module, pruning = Rooted(), IterativePruningCallback(RATES)
    draw(pruning, module, 2)
    assert all(value.isfinite().all() for value in weights(module).values())
    assert not module.net.fc.weight[~pruning.masks["net.fc.weight"]].any()
