"""Checks that all processes of a training have the same masks."""

from collections.abc import Mapping

from torch import Tensor

from app.common.errors import RunError
from app.common.ranks import of_all
from app.common.states import digest


def check_same_masks(masks: Mapping[str, Tensor], round: int) -> None:
    """Compare the masks of this process with those of the others; every process must call it.

    Each process prunes for itself. With other masks they would train different networks, and all gradients be wrong.

    Args:
        masks: of this process.
        round: which they are of.

    Raises:
        RunError: they differ; every process raises it.
    """
    digests = of_all(digest(masks))
    if other := [rank for rank, each in enumerate(digests) if each != digests[0]]:
        ranks = ", ".join(map(str, other))
        raise RunError(
            f"the masks of round {round} differ between the processes of this training: {ranks} "
            f"{'has' if len(other) == 1 else 'have'} others than process 0; the score must not depend on the process"
        )
