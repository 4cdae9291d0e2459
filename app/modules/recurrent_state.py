"""The recurrent state of a language model between two windows: detached, and gathered or split over ranks."""

from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from app.nets import State


def detached(state: State) -> State:
    """The state without its graph: no gradient flows into the window before."""
    h, c = state
    return [x.detach() for x in h], [x.detach() for x in c]


def gather_state(state: State, trainer: Trainer) -> State:
    """Collect the columns of all ranks in the order that one process would have them, on the CPU of every rank.

    Args:
        state: (B / world_size, H_l) tensors; rank r of W holds the columns r::W.
        trainer: gives the number of ranks.

    Returns:
        (B, H_l) tensors.
    """
    # Copies, because a layer's h is a view of all its outputs, which would be saved with it.
    mine = tuple([x.detach().clone().cpu() for x in part] for part in state)
    if trainer.world_size == 1:
        return mine[0], mine[1]
    all_ranks: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(all_ranks, mine)
    return _interleaved([h for h, _ in all_ranks]), _interleaved([c for _, c in all_ranks])


def scatter_state(state: State, trainer: Trainer, device: torch.device) -> State:
    """This rank's part of a state that `gather_state` made, on the rank's device."""
    mine = slice(trainer.global_rank, None, trainer.world_size)
    h, c = state
    return [x[mine].to(device) for x in h], [x[mine].to(device) for x in c]


def _interleaved(ranks: list[list[Tensor]]) -> list[Tensor]:
    return [torch.stack(layer, dim=1).flatten(0, 1) for layer in zip(*ranks, strict=True)]
