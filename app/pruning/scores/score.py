"""What a score is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor


class Gradients(Protocol):
    """Gradients of a network at the weights that are scored, computed where a score asks for them.

    All are by parameter name, on the CPU; parameters that the differentiated value does not depend on are missing.
    """

    def __call__(self) -> Mapping[str, Tensor]:
        """Of the training loss on a batch of training data."""

    def hessian_gradient(self, temperature: float = 1.0) -> Mapping[str, Tensor]:
        """The Hessian of the training loss times its gradient, with respect to the prunable weights, on that batch.

        Args:
            temperature: by which the logits of every cross-entropy in the loss are divided.
        """

    def synaptic_flow(self) -> Mapping[str, Tensor]:
        """Of the sum of outputs for an input of ones, with the absolute values of parameters and buffers; float64."""


class Score(ABC):
    """Gives every weight a number; a pruning removes the surviving weights whose numbers are lowest.

    Attributes:
        steps: in how many steps a pruning is made, each with the scores of the weights that are left, so that the
            number of survivors falls by the same factor in each.
    """

    steps: int = 1

    @abstractmethod
    def __call__(
        self,
        weights: Mapping[str, Tensor],
        starting_weights: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        gradients: Gradients,
    ) -> dict[str, Tensor]:
        """Score the prunable weights.

        Args:
            weights: trained weights by parameter name, any device.
            starting_weights: the same at the moment that the survivors are rewound to, on the CPU.
            masks: bool, True where a weight survives, on the CPU.
            gradients: computes the gradients of the loss with respect to the trained weights, and others; costly, so
                call it only where they are needed.

        Returns:
            By name, one number per weight, in the shape of the weight. Those of pruned weights do not matter.
        """

    def seeded(self, generator: torch.Generator) -> "Score":
        """The score of one network, which draws its random numbers from this generator; itself where it draws none."""
        return self


def times_gradients(
    weights: Mapping[str, Tensor], gradients: Mapping[str, Tensor], masks: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Each prunable weight times its gradient, on the CPU; 0 where the differentiated value does not depend on it.

    Args:
        weights: by parameter name, any device.
        gradients: by parameter name, on the CPU.
        masks: of the prunable weights.
    """
    none = torch.zeros(())
    return {name: weights[name].detach().cpu() * gradients.get(name, none) for name in masks}
