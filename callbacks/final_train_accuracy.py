"""Accuracy over a whole set, once, when training ends."""

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from app.common.errors import UserError


class FinalTrainAccuracy(Callback):
    """Measures the trained network on all training images, which the datamodule gives as `train_eval_dataloader()`.

    Attributes:
        value: the accuracy, a fraction of 1; nan until the training has ended.

    Raises:
        UserError: the datamodule does not give them; before the training begins.
    """

    def __init__(self) -> None:
        self.value = float("nan")

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit" and not hasattr(trainer.datamodule, "train_eval_dataloader"):  # type: ignore[attr-defined]
            raise UserError("accuracy on the training images needs a datamodule with train_eval_dataloader()")

    @override
    @torch.no_grad()
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        modes = {module: module.training for module in pl_module.modules()}
        pl_module.eval()
        right_and_seen = torch.zeros(2, dtype=torch.float64, device=pl_module.device)
        with trainer.precision_plugin.forward_context():
            for batch in trainer.datamodule.train_eval_dataloader():  # type: ignore[attr-defined]
                images, labels = trainer.strategy.batch_to_device(trainer.precision_plugin.convert_input(batch))
                right_and_seen[0] += (pl_module(images).argmax(1) == labels).sum()
                right_and_seen[1] += len(labels)
        right, seen = trainer.strategy.reduce(right_and_seen, reduce_op="sum").tolist()
        self.value = right / seen
        for module, training in modes.items():
            module.training = training
