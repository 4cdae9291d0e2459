"""Gradient signal preservation (Wang, Zhang, Grosse 2020, equation 8, "GraSP")."""

from collections.abc import Mapping

import torch
from torch import Tensor
from typing_extensions import override

from app.pruning.scores.score import Gradients, Score


class GraSP(Score):
    """w (Hg) on one batch, with the gradient g and the Hessian H of the loss with respect to the prunable weights.

    To first order the squared norm of the gradient falls by twice that if the weight is removed. Those go first whose
    removal raises it most, which have the highest scores in the paper, -w (Hg).

    The authors' code differs: it divides the logits by 200 before the loss, draws the same number of examples of every
    class, and draws the weights of linear layers anew before it scores. Here the loss is the module's own, on a batch
    as it is, at the weights that are pruned.
    """

    @override
    def __call__(
        self,
        weights: Mapping[str, Tensor],
        starting_weights: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        gradients: Gradients,
    ) -> dict[str, Tensor]:
        found, none = gradients.hessian_gradient(), torch.zeros(())
        return {name: weights[name].detach().cpu() * found.get(name, none) for name in masks}
