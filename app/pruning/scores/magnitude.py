"""Magnitude pruning (Frankle & Carbin, section 2)."""

from collections.abc import Mapping

from torch import Tensor
from typing_extensions import override

from app.pruning.scores.score import Gradients, Score


class Magnitude(Score):
    """|w|: the smallest trained weights go."""

    @override
    def __call__(
        self,
        weights: Mapping[str, Tensor],
        starting_weights: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        gradients: Gradients,
    ) -> dict[str, Tensor]:
        return {name: weights[name].detach().cpu().abs() for name in masks}
