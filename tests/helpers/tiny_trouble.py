"""A callback that brings about what can happen to a network: `helpers.tiny_trouble.Trouble`."""

import os
import signal
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class Trouble(Callback):
    """At the third iteration of networks whose directories are named.

    Args:
        die: the process is killed.
        break_down: an error of which nobody knows anything.
        send: a signal, which the process sends itself.
        number: name of the signal.
    """

    def __init__(self, die: str = "", break_down: str = "", send: str = "", number: str = "SIGTERM") -> None:
        self.die, self.break_down, self.send, self.number = die, break_down, send, number

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        directory = Path(trainer.default_root_dir)
        if trainer.global_step != 3:
            return
        if self.die and directory.match(self.die):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.send and directory.match(self.send):
            os.kill(os.getpid(), signal.Signals[self.number])
        if self.break_down and directory.match(self.break_down):
            raise ZeroDivisionError("by zero")
