"""How far training has moved a weight (Zhou et al. 2019, "movement")."""

from collections.abc import Mapping

from torch import Tensor
from typing_extensions import override

from app.pruning.scores.score import Gradients, Score


class Movement(Score):
    """|w - w_0|, where w_0 is the weight that survivors return to: those that have moved least go."""

    @override
    def __call__(
        self,
        weights: Mapping[str, Tensor],
        starting_weights: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        gradients: Gradients,
    ) -> dict[str, Tensor]:
        return {name: (weights[name].detach().cpu() - starting_weights[name]).abs() for name in masks}
