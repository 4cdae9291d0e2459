"""Checks that the workers fit this machine."""

import os
import signal

from lightning.pytorch import Trainer
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.strategies import SingleDeviceStrategy

from app.common.errors import UserError
from app.lottery.settings import Pruning


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_workers(settings: Pruning, trainer: Trainer, threads: int) -> None:
    """Check that the workers fit the trainings and this machine.

    Args:
        settings: the settings of the lottery.
        trainer: the Trainer of the configuration.
        threads: the number of threads of every training.

    Raises:
        UserError: a training uses several devices or does not run on the CPU, there are more threads than cores, or
            the system is Windows.
    """
    n = settings.workers
    one_cpu = isinstance(trainer.strategy, SingleDeviceStrategy) and isinstance(trainer.accelerator, CPUAccelerator)
    if n > 1 and not one_cpu:
        raise UserError(
            f"pruning.workers is {n}, which is for trainings on one CPU device each; use --trainer.accelerator cpu, "
            "--trainer.devices 1 and no strategy, or --pruning.workers 1"
        )
    if n > 1 and not hasattr(signal, "pthread_sigmask"):
        raise UserError(f"pruning.workers is {n}, which Windows cannot do; use --pruning.workers 1")
    if n > 1 and n * threads > cores() and not settings.oversubscribe:
        raise UserError(
            f"pruning.workers {n} x threads {threads} is more than the {cores()} cores there are; ask for fewer, or "
            "allow it by --pruning.oversubscribe true"
        )
