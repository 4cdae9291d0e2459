"""The rank of this process, known before processes are connected."""

import os

from lightning.pytorch.utilities import rank_zero_only


def is_first() -> bool:
    """Whether this process has rank zero, which alone writes files and prints."""
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
