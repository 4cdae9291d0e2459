"""The switch of our own GPU kernels."""

import os

SWITCH = "TREES_TICKETS_GPU_KERNELS"  # environment variable; 0 turns them off
_chosen = True


def choose(used: bool) -> None:
    """Use the kernels in this process, where they work, or do not."""
    global _chosen
    _chosen = used


def chosen() -> bool:
    """Whether to use them: neither the environment nor a command has turned them off."""
    return _chosen and os.environ.get(SWITCH, "1") != "0"
