"""Random pruning: the control of random sparsity."""

from collections.abc import Mapping

import torch
from torch import Tensor
from typing_extensions import override

from app.pruning.scores.score import Gradients, Score


class RandomOrder(Score):
    """A random order of the weights of each tensor; what survives is a random subset.

    Args:
        generator: where the orders are drawn from, tensor by tensor in the order of their names.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    @override
    def __call__(
        self,
        weights: Mapping[str, Tensor],
        starting_weights: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        gradients: Gradients,
    ) -> dict[str, Tensor]:
        scores = {}
        for name in sorted(masks):
            size = masks[name].numel()
            order = torch.empty(size, dtype=torch.float64)
            order[torch.randperm(size, generator=self.generator)] = -torch.arange(size, dtype=torch.float64)
            scores[name] = order.view(masks[name].shape)
        return scores
