"""Checks that the workers fit this machine."""

import os
import signal

from lightning.pytorch import Trainer
from lightning.pytorch.accelerators import CPUAccelerator, CUDAAccelerator
from lightning.pytorch.strategies import SingleDeviceStrategy

from app.common.errors import UserError
from app.lottery.settings import Pruning
from app.lottery.workers.gpus import worker_gpus


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_gpus(trainer: Trainer) -> bool:
    """Whether trainings are on a GPU of CUDA."""
    return isinstance(trainer.accelerator, CUDAAccelerator)


def check_workers(settings: Pruning, trainer: Trainer, threads: int) -> None:
    """Check that the workers fit the trainings and this machine.

    Args:
        settings: the settings of the lottery.
        trainer: the Trainer of the configuration.
        threads: the number of threads of every training.

    Raises:
        UserError: a training uses several devices, or one that is neither a CPU nor a GPU of CUDA; there are more
            threads than cores, or fewer GPUs than workers; or the system is Windows.
    """
    n = settings.workers
    known = isinstance(trainer.accelerator, CPUAccelerator | CUDAAccelerator)
    if n > 1 and not (known and isinstance(trainer.strategy, SingleDeviceStrategy)):
        raise UserError(
            f"pruning.workers is {n}, which is for trainings on one device each, a CPU or a GPU of CUDA; use "
            "--trainer.devices 1 and no strategy, or --pruning.workers 1"
        )
    if n > 1 and on_gpus(trainer):
        worker_gpus(n, oversubscribe=settings.oversubscribe)
        if trainer.strategy.root_device.index:
            raise UserError(
                f"pruning.workers is {n}, and trainer.devices names GPU {trainer.strategy.root_device.index} for all; "
                "use --trainer.devices 1, and CUDA_VISIBLE_DEVICES for which GPUs workers take"
            )
    if n > 1 and not hasattr(signal, "pthread_sigmask"):
        raise UserError(f"pruning.workers is {n}, which Windows cannot do; use --pruning.workers 1")
    if n > 1 and n * threads > cores() and not settings.oversubscribe:
        raise UserError(
            f"pruning.workers {n} x threads {threads} is more than the {cores()} cores there are; ask for fewer, or "
            "allow it by --pruning.oversubscribe true"
        )
