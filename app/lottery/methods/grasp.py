"""GraSP (Wang, Zhang, Grosse 2020)."""

from typing_extensions import override

from app.lottery.methods.at_initialisation import AtInitialisation
from app.pruning import Score, scores


class GraSPAtInit(AtInitialisation):
    """GraSP (Wang, Zhang, Grosse 2020): the weights go whose removal raises the norm of the gradient most.

    Args:
        inverted: as for all methods at initialisation.
        temperature: what the logits of the loss are divided by; 1 for a loss without a cross-entropy.

    Raises:
        UserError: a temperature that is not a positive number.
    """

    name = "grasp"
    label = "GraSP"
    note = "pruned before training by w (H g) on one batch, all layers together"
    score = scores.GraSP

    def __init__(self, inverted: bool = False, temperature: float = 200.0) -> None:
        super().__init__(inverted)
        self._score = scores.GraSP(temperature)

    @override
    def ranking(self) -> Score:
        return self._score
