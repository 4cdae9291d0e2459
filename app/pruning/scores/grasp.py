"""Gradient signal preservation (Wang, Zhang, Grosse 2020, equation 8, "GraSP")."""

import math
from collections.abc import Mapping

from torch import Tensor
from typing_extensions import override

from app.common.errors import UserError
from app.pruning.scores.score import Gradients, Score, times_gradients


class GraSP(Score):
    """w (Hg) on one batch, with the gradient g and the Hessian H of the loss with respect to the prunable weights.

    To first order the squared norm of the gradient falls by twice that if the weight is removed. Those go first whose
    removal raises it most, which have the highest scores in the paper, -w (Hg).

    The authors' code divides the logits by 200 before the loss, and so does this, in whatever cross-entropies the loss
    of the module has. Their code also draws the same number of examples of every class, and the weights of linear
    layers anew before it scores; here the batch is as it is, and the weights are those that are pruned.

    Args:
        temperature: what logits are divided by; 1 for a loss without a cross-entropy.

    Raises:
        UserError: a temperature that is not a positive number.
    """

    def __init__(self, temperature: float = 200.0) -> None:
        if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 < temperature < math.inf:
            raise UserError(f"grasp: temperature is {temperature!r}; expected a number above 0")
        self.temperature = temperature

    @override
    def __call__(
        self,
        weights: Mapping[str, Tensor],
        starting_weights: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        gradients: Gradients,
    ) -> dict[str, Tensor]:
        return times_gradients(weights, gradients.hessian_gradient(self.temperature), masks)
