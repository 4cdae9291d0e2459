"""The processes that share a training: which of them this is, and what they tell each other."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from lightning.pytorch.utilities import rank_zero_only

from app.common.errors import RunError, UserError

T = TypeVar("T")


def is_first() -> bool:
    """Whether this process has rank zero, which alone writes files and prints; known before processes are connected."""
    return bool(getattr(rank_zero_only, "rank", 0) == 0)


def started_together() -> int:
    """How many processes a launcher has started with this one, itself included.

    Of SLURM's variables those of a step count: a batch script has the number of tasks of its job, and is one process.
    """
    names = ["SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"]
    if os.environ.get("SLURM_PROCID", "0") != "0":
        names.append("SLURM_NTASKS")
    if "TORCHELASTIC_RUN_ID" in os.environ:  # else Lightning has set it
        names.append("WORLD_SIZE")
    counts = [os.environ.get(name, "") for name in names]
    return max([1, *(int(count) for count in counts if count.isdecimal())])


def are_connected() -> bool:
    """Whether this process is one of several that can tell each other something."""
    distributed = torch.distributed
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def of_first(make: Callable[[], T]) -> T:
    """What rank zero makes, on every rank; each makes its own where processes are not connected.

    What others find in files need not be what rank zero finds there at the same time.

    Args:
        make: called on rank zero only.

    Raises:
        UserError: rank zero has raised it; every rank raises the same.
        RunError: likewise; any other error of rank zero is raised there, and this one elsewhere.
    """
    if not are_connected():
        return make()
    told: list[Any] = [None, None]
    raised: Exception | None = None
    if is_first():
        try:
            told = [make(), None]
        except Exception as error:
            raised = error
            told = [None, _plain(error)]
    torch.distributed.broadcast_object_list(told)
    if raised is not None:
        raise raised
    if told[1] is not None:
        raise told[1]
    value: T = told[0]
    return value


def of_all(value: T) -> list[T]:
    """The value of every rank, in the order of ranks; of this process alone where none are connected.

    Args:
        value: of this one; anything that can be pickled.
    """
    if not are_connected():
        return [value]
    found: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(found, value)
    return found


def _plain(error: Exception) -> UserError | RunError:
    """An error as the other ranks raise it."""
    if isinstance(error, UserError | RunError):
        return type(error)(str(error))
    return RunError("process 0 of this training has failed, and says why")
