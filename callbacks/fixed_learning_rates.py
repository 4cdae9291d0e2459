"""A training at constant learning rates, whatever its schedulers say."""

from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override


class FixedLearningRates(Callback):
    """Sets the learning rates before every iteration, so that schedulers change nothing.

    Args:
        rates: by optimiser and parameter group.
    """

    def __init__(self, rates: Sequence[Sequence[float]]) -> None:
        self.rates = rates

    def listens(self, trainer: Trainer) -> bool:
        """Whether a scheduler may have changed the rates; without one they stay what the first iteration made them."""
        return bool(trainer.lr_scheduler_configs)

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        for optimizer, rates in zip(trainer.optimizers, self.rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate)  # the optimiser may hold on to it
                else:
                    group["lr"] = rate
