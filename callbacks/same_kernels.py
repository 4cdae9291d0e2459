"""Checks that all processes of a training compute with the same kernels."""

import warnings
from collections.abc import Mapping

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from app.common.errors import UserError
from app.common.kernel_sets import contradicts, differences


class SameKernels(Callback):
    """Refuses a training that is shared by processes with different kernels.

    Args:
        now: the kernels of this process (`app.common.used_kernels.kernels`).
        allowed: whether they may differ; a warning says so.
    """

    def __init__(self, now: Mapping[str, str], *, allowed: bool) -> None:
        self.now = dict(now)
        self.allowed = allowed

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        found: list[dict[str, str]] = [{} for _ in range(trainer.world_size)]
        torch.distributed.all_gather_object(found, self.now)
        for rank, each in enumerate(found):
            if contradicts(found[0], each):
                told = f"process {rank} has other kernels than process 0 ({differences(found[:1], each)})"
                if not self.allowed:
                    raise UserError(f"{told}: choose machines of one kind, or add --allow_other_kernels true")
                if trainer.is_global_zero:
                    warnings.warn(f"{told}; bits of results may differ", stacklevel=2)
                return
