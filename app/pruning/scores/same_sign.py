"""Magnitude of the weights whose sign stays (Zhou et al. 2019, "large final, same sign")."""

from collections.abc import Mapping

from torch import Tensor
from typing_extensions import override

from app.pruning.scores.score import Gradients, Score


class SameSign(Score):
    """|w| where w has the sign of w_0, the weight that survivors return to, else 0: those of another sign go first."""

    @override
    def __call__(
        self,
        weights: Mapping[str, Tensor],
        starting_weights: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        gradients: Gradients,
    ) -> dict[str, Tensor]:
        scores = {}
        for name in masks:
            final, start = weights[name].detach().cpu(), starting_weights[name]
            scores[name] = final.abs() * (final.sign() == start.sign())
        return scores
