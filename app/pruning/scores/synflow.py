"""Synaptic flow (Tanaka, Kunin, Yamins, Ganguli 2020, section 6, algorithm 1, "SynFlow")."""

from collections.abc import Mapping

from torch import Tensor
from typing_extensions import override

from app.common.errors import UserError
from app.pruning.scores.score import Gradients, Score, times_gradients


class SynFlow(Score):
    """|w| dR/d|w|, where R is the sum of a network's outputs for an input of ones, with all its values made positive.

    It needs no data: for a network of linear layers and ReLUs R = 1' |W_L| ... |W_1| 1, so that the scores of any two
    layers have the same sum. A pruning is made in so many steps, with the scores of what is left at each, because the
    scores of one step would empty the widest layer first. In float64 and evaluation mode, as R is a product of many
    layers.

    Args:
        steps: of a pruning; 1 prunes at once.

    Raises:
        UserError: fewer than one step.
    """

    def __init__(self, steps: int = 100) -> None:
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise UserError(f"synflow: steps is {steps!r}; expected a whole number, 1 or more")
        self.steps = steps

    @override
    def __call__(
        self,
        weights: Mapping[str, Tensor],
        starting_weights: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        gradients: Gradients,
    ) -> dict[str, Tensor]:
        sizes = {name: weights[name].detach().cpu().double().abs() for name in masks}
        return times_gradients(sizes, gradients.synaptic_flow(), masks)
