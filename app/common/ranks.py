"""Which process of several this is; known before any of them has met the others."""

from lightning.pytorch.utilities import rank_zero_only


def is_first() -> bool:
    """Whether this process writes files and talks to people."""
    return bool(getattr(rank_zero_only, "rank", 0) == 0)
