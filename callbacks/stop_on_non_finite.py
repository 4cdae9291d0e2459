"""Stops a training that has diverged."""

import math
from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from app.common.errors import RunError


class StopOnNonFinite(Callback):
    """Ends a training whose loss is infinite or nan, with the iteration in the message.

    On a CPU every loss is checked. On a GPU this would make the host wait, so only the mean that is logged at
    validations is checked.

    Raises:
        RunError: from `fit`; files that were written before are kept.
    """

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else None  # None if a batch is skipped
        if loss is not None and loss.device.type == "cpu":
            self._check(loss.item(), "loss", f"at iteration {trainer.global_step}")

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for name in ("train_loss", "val_loss"):
            if trainer.state.fn == "fit" and name in trainer.callback_metrics:
                value = trainer.callback_metrics[name].item()
                self._check(value, name, f"by iteration {trainer.global_step}")

    def _check(self, value: float, name: str, when: str) -> None:
        if not math.isfinite(value):
            raise RunError(f"{name} is {value} {when}: the training diverged; try a lower learning rate")
