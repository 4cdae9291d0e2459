"""The opposite of a score (Frankle et al. 2021, "Missing the Mark", section 5: inversion)."""

from collections.abc import Mapping

import torch
from torch import Tensor
from typing_extensions import override

from app.pruning.scores.score import Gradients, Score


class Inverted(Score):
    """Minus a score: the weights that it would keep go first.

    Args:
        score: which one.
    """

    def __init__(self, score: Score) -> None:
        self.score, self.steps = score, score.steps

    @override
    def seeded(self, generator: torch.Generator) -> Score:
        return Inverted(self.score.seeded(generator))

    @override
    def __call__(
        self,
        weights: Mapping[str, Tensor],
        starting_weights: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        gradients: Gradients,
    ) -> dict[str, Tensor]:
        return {name: -value for name, value in self.score(weights, starting_weights, masks, gradients).items()}
