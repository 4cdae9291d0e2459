"""A callback that notes where two processes train the same network at the same time."""

import fcntl
import os
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class LoneTraining(Callback):
    """Holds a lock of its own beside the run directory while a network is trained.

    Args:
        directory: of these locks, and of a file `twice` that is written if another process has one.
    """

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        self._file: Any = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.directory.mkdir(exist_ok=True)
        name = str(trainer.default_root_dir).replace("/", "_")
        self._file = open(self.directory / name, "a")  # noqa: SIM115 - held until the training ends
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with open(self.directory / "twice", "a") as file:
                file.write(f"{name} by {os.getpid()}\n")

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._file.close()
