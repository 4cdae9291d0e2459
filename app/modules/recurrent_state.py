"""What a language model carries from window to window: the recurrent state, and the sums its means are made of."""

from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from app.nets import State


def detached(state: State) -> State:
    """The state as plain values: no gradient flows into the window before."""
    h, c = state
    return [x.detach() for x in h], [x.detach() for x in c]


def gather_state(state: State, trainer: Trainer) -> State:
    """The states of the columns of all ranks, as one process would hold them, on the CPU; same on every rank.

    Args:
        state: (B / world_size, H_l) tensors; rank r of W holds the columns r::W.
        trainer: knows the ranks.

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
    """The part of `gather_state`'s result that belongs to this rank, on its device."""
    mine = slice(trainer.global_rank, None, trainer.world_size)
    h, c = state
    return [x[mine].to(device) for x in h], [x[mine].to(device) for x in c]


def _interleaved(ranks: list[list[Tensor]]) -> list[Tensor]:
    return [torch.stack(layer, dim=1).flatten(0, 1) for layer in zip(*ranks, strict=True)]


class LossSums:
    """Nats and predicted tokens since some moment, in float64, so that a mean does not depend on how text was cut.

    Not a buffer of the module: those follow the precision of the weights, and DDP overwrites them with the first
    rank's.
    """

    def __init__(self) -> None:
        self.values = torch.zeros(2, dtype=torch.float64)

    def reset(self, device: torch.device) -> None:
        """Begin new sums. A new tensor, because one made while testing stays in inference mode."""
        self.values = torch.zeros(2, dtype=torch.float64, device=device)

    def add(self, mean_loss: Tensor, tokens: int) -> None:
        """Take in a window: its mean loss in nats per token, and how many tokens it predicted."""
        self.values[0].add_(mean_loss.detach(), alpha=tokens)
        self.values[1].add_(tokens)

    def over_ranks(self, trainer: Trainer) -> Tensor:
        """(nats, tokens) of all ranks together."""
        return trainer.strategy.reduce(self.values.clone(), reduce_op="sum")
