"""The rank of this process, known before processes are connected."""

from lightning.pytorch.utilities import rank_zero_only


def is_first() -> bool:
    """Whether this process has rank zero, which alone writes files and prints."""
    return bool(getattr(rank_zero_only, "rank", 0) == 0)
