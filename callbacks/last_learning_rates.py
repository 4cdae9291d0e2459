"""The learning rates of a training's last iteration."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

Rates = list[list[float]]


class LastLearningRates(Callback):
    """Notes the learning rates that every iteration begins with, whatever has set them; a checkpoint holds them.

    Attributes:
        rates: of the last iteration that has begun, by optimiser and parameter group; empty before the first.
    """

    def __init__(self) -> None:
        self.rates: Rates = []

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.rates = [[float(group["lr"]) for group in each.param_groups] for each in trainer.optimizers]

    def listens(self, trainer: Trainer) -> bool:
        """Never: the rates are asked for after an iteration that has its hooks."""
        return False

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"rates": self.rates}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rates = state_dict["rates"]
