"""Random numbers: what any score has to beat."""

from collections.abc import Mapping

import torch
from torch import Tensor
from typing_extensions import override

from app.pruning.scores.score import Gradients, Score


class Random(Score):
    """A number of every weight that is drawn evenly between 0 and 1, whatever layer it is in.

    Args:
        generator: where the numbers are drawn from, tensor by tensor in the order of their names; torch's global one
            where it is left out. In a lottery every network has its own.
    """

    def __init__(self, generator: torch.Generator | None = None) -> None:
        self.generator = generator

    @override
    def seeded(self, generator: torch.Generator) -> Score:
        return Random(generator)

    @override
    def __call__(
        self,
        weights: Mapping[str, Tensor],
        starting_weights: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        gradients: Gradients,
    ) -> dict[str, Tensor]:
        shapes = {name: masks[name].shape for name in sorted(masks)}
        return {
            name: torch.rand(shape, dtype=torch.float64, generator=self.generator) for name, shape in shapes.items()
        }
