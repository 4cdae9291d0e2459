"""A network of a lottery that is to be trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lightning.pytorch import Callback
from torch import Tensor

from app.common.seeds import derive_seed
from app.runs.layout import NetworkKey, TrainingLayout
from callbacks import IterativePruningCallback


@dataclass(frozen=True, kw_only=True)
class Job:
    """A network to train.

    Args:
        key: which one.
        start: the state that it begins with, before masking; the model has it, masked.
        ticket: the callback that holds its masks.
        seeds: of its random draws, by purpose.
        callbacks: what its method adds to the training.
        source: the ticket of another run directory that it is made from, if any.
    """

    key: NetworkKey
    start: Mapping[str, Tensor]
    ticket: IterativePruningCallback
    seeds: dict[str, int]
    callbacks: Sequence[Callback] = ()
    source: TrainingLayout | None = None


def network_seeds(seed: int, replicate: int) -> dict[str, int]:
    """The seeds of a network by purpose; all networks of a replicate see the same split and the same order.

    Args:
        seed: the experiment's.
        replicate: the network's.
    """
    purposes = ("initialisation", "split", "order", "training")
    return {purpose: derive_seed(seed, replicate, purpose) for purpose in purposes}
