"""A user's callback that stops every training once, as a kill between two iterations would."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from app.common.errors import Interrupted

SWITCH = "stop"  # a file in the working directory; without it the callback does nothing


class StopOnce(Callback):
    """Stops a training after an iteration, unless it was stopped before.

    Args:
        after: the iteration.
    """

    def __init__(self, after: int = 7) -> None:
        self.after = after

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        stopped = Path(trainer.default_root_dir) / ".stopped"
        if Path(SWITCH).exists() and trainer.global_step == self.after and not stopped.exists():
            stopped.touch()
            raise Interrupted
