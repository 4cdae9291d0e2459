"""Stops a training that has diverged."""

import math
from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from app.common.errors import RunError


class StopOnNonFinite(Callback):
    """Ends a training whose loss is infinite or nan, with the iteration in the message.

    On a CPU every loss is checked. On a GPU this would make the host wait, so only the last loss before a validation
    and the means that are logged there are checked.

    Raises:
        RunError: from `fit`; files that were written before are kept.
    """

    def __init__(self) -> None:
        self._loss: Tensor | None = None  # the last one on a GPU

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else None  # None if a batch is skipped
        if loss is None:
            return
        if loss.device.type == "cpu":
            _check(loss.item(), "loss", f"at iteration {trainer.global_step:,}")
        else:
            self._loss = loss

    def listens(self, trainer: Trainer) -> bool:
        """Never: an iteration whose loss is not finite has its hooks in any case."""
        return False

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit":
            return
        if trainer.global_step == 0:
            self._check_untrained(trainer, pl_module)
            return
        self._check_last(trainer)
        for name in ("train_loss", "val_loss"):
            if name in trainer.callback_metrics:
                _check(trainer.callback_metrics[name].item(), name, f"by iteration {trainer.global_step:,}")

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._check_last(trainer)

    def _check_last(self, trainer: Trainer) -> None:
        loss, self._loss = self._loss, None
        if loss is not None:
            _check(loss.item(), "loss", f"by iteration {trainer.global_step:,}")

    def _check_untrained(self, trainer: Trainer, module: LightningModule) -> None:
        value = float(trainer.callback_metrics.get("val_loss", 0.0))
        if not math.isfinite(value):
            raise RunError(
                f"val_loss is {value} before any training; check the validation data and {type(module).__name__}"
            )


def _check(value: float, name: str, when: str) -> None:
    if not math.isfinite(value):
        raise diverged(name, value, when)


def diverged(name: str, value: float, when: str) -> RunError:
    """The error of a training that cannot go on.

    Args:
        name: of the loss or the metric.
        value: which is not finite.
        when: in words, with the iteration.
    """
    return RunError(
        f"{name} is {value} {when}: the training diverged; try a lower learning rate, with another --experiment"
    )
