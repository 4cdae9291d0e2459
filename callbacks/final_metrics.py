"""Metrics that a module measures once, at the end of training."""

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from app.common.protocols import final_metrics
from callbacks.evaluation_mode import evaluation_mode


class FinalMetrics(Callback):
    """Calls `final_metrics(datamodule)` of the trained module, in evaluation mode and without gradients.

    Attributes:
        values: the measured values by name of the metric; empty before the training has ended, and if the module has no
            such method.
    """

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    @override
    @torch.no_grad()
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        with evaluation_mode(pl_module):
            self.values = final_metrics(pl_module, trainer.datamodule)  # type: ignore[attr-defined]
