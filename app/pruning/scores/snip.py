"""Connection sensitivity (Lee, Ajanthan, Torr 2019, equations 3-5, "SNIP")."""

from collections.abc import Mapping

from torch import Tensor
from typing_extensions import override

from app.pruning.scores.score import Gradients, Score, times_gradients


class SNIP(Score):
    """|w dL/dw| on one batch: how fast the loss changes with the mask of a weight, at the mask 1.

    The paper divides all scores by their sum, which leaves their order as it is.
    """

    @override
    def __call__(
        self,
        weights: Mapping[str, Tensor],
        starting_weights: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        gradients: Gradients,
    ) -> dict[str, Tensor]:
        return {name: product.abs() for name, product in times_gradients(weights, gradients(), masks).items()}
