"""The learning rates of a last iteration, and trainings that keep to given ones."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers.tiny import TinyData, TinyModule, TinyNet, tiny_trainer
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import ExponentialLR, LambdaLR, ReduceLROnPlateau

from callbacks import FixedLearningRates, LastLearningRates

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")
STEPS = 17


class Scheduled(TinyModule):
    """Two groups of parameters and any scheduler, after every iteration or epoch."""

    def __init__(self, scheduler: Callable[[Optimizer], Any], interval: str) -> None:
        super().__init__(TinyNet())
        self.scheduler, self.interval = scheduler, interval

    def configure_optimizers(self) -> Any:
        groups = [
            {"params": self.net.fc.parameters(), "lr": 0.2},
            {"params": self.net.output.parameters(), "lr": torch.tensor(0.05)},
        ]
        optimizer = SGD(groups, lr=0.1, foreach=False)
        config = {"scheduler": self.scheduler(optimizer), "interval": self.interval, "monitor": "train_loss"}
        return {"optimizer": optimizer, "lr_scheduler": config}

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        self.log("train_loss", 1.0)  # never better: a plateau
        return loss


class Used(Callback):
    """Notes the rates that every step is taken at."""

    def __init__(self) -> None:
        self.rates: list[list[float]] = []

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        self.rates.append([float(group["lr"]) for group in optimizer.param_groups])


SCHEDULERS = {
    "exponential": (lambda optimizer: ExponentialLR(optimizer, 0.8), "step"),
    "by epoch": (lambda optimizer: ExponentialLR(optimizer, 0.5), "epoch"),
    "by formula": (lambda optimizer: LambdaLR(optimizer, lambda step: 1 / (1 + step)), "step"),
    "by plateau": (lambda optimizer: ReduceLROnPlateau(optimizer, patience=0), "step"),
    "to nothing": (lambda optimizer: LambdaLR(optimizer, lambda step: 1 - step / STEPS), "step"),
}


@pytest.mark.parametrize(("scheduler", "interval"), SCHEDULERS.values(), ids=SCHEDULERS)
def test_the_last_rates_are_those_of_the_last_step(scheduler: Any, interval: str) -> None:
    used, last = Used(), LastLearningRates()
    tiny_trainer([used, last], max_steps=STEPS).fit(Scheduled(scheduler, interval), TinyData())
    assert len(used.rates) == STEPS
    assert last.rates == [used.rates[-1]]
    assert used.rates[-1] != used.rates[0]
    assert all(rate > 0 for rate in used.rates[-1])
    assert last.state_dict() == {"rates": last.rates}


@pytest.mark.parametrize(("scheduler", "interval"), SCHEDULERS.values(), ids=SCHEDULERS)
def test_fixed_rates_are_those_of_every_step(scheduler: Any, interval: str) -> None:
    used = Used()
    fixed = FixedLearningRates([[0.125, 0.0625]])  # exact in single precision, which one group has
    tiny_trainer([used, fixed], max_steps=STEPS).fit(Scheduled(scheduler, interval), TinyData())
    assert used.rates == [[0.125, 0.0625]] * STEPS
