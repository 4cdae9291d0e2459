"""What a score is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TypeAlias

from torch import Tensor

# Computes the gradients of the loss on a batch of training data, by parameter name, when it is called.
Gradients: TypeAlias = Callable[[], Mapping[str, Tensor]]


class Score(ABC):
    """Gives every weight a number; a pruning removes the surviving weights whose numbers are lowest."""

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
            gradients: computes the gradients of the loss with respect to the trained weights; costly, so call it only
                where they are needed.

        Returns:
            By name, one number per weight, in the shape of the weight. Those of pruned weights do not matter.
        """
