"""A callback that brings about what can happen to one of several processes: for the tests of them."""

import os
import signal
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from app.common.errors import UserError


class RankTrouble(Callback):
    """At the third iteration, the second process is killed, or fails, as the variable `TROUBLE` says.

    It names what happens and to which network: `killed round_00`, `failed round_01`.
    """

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        what, _, network = os.environ.get("TROUBLE", "").partition(" ")
        if trainer.global_rank != 1 or trainer.global_step != 3 or Path(trainer.default_root_dir).name != network:
            return
        if what == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise UserError("the second process gives up")
