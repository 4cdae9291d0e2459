"""Metrics that a module measures once, before its training."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from app.common.protocols import initial_metrics
from callbacks.evaluation_mode import evaluation_mode


class InitialMetrics(Callback):
    """Calls `initial_metrics(datamodule)` of the module before the first step, in evaluation mode, without gradients.

    Normalisation layers use the running statistics that the training begins with. Random numbers that are drawn while
    it measures are not missing in the training. The values are saved in checkpoints: a resumed training has those of
    its beginning.

    Args:
        begins_at: the iteration that the training begins at; one that resumes later measures nothing.

    Attributes:
        values: the measured values by name of the metric; empty before the training, and if the module has no such
            method.
    """

    def __init__(self, begins_at: int = 0) -> None:
        self.begins_at = begins_at
        self.values: dict[str, float] = {}

    @override
    @torch.no_grad()
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.values or trainer.global_step != self.begins_at:
            return
        device = pl_module.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), evaluation_mode(pl_module):
            self.values = initial_metrics(pl_module, trainer.datamodule)  # type: ignore[attr-defined]

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"values": self.values}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.values = dict(state_dict["values"])
