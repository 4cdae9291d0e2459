"""Dense training continued: the control of how long a chain of tickets has trained in all."""

from torch import Tensor
from typing_extensions import override

from app.lottery.methods.chain import Chain
from app.lottery.methods.iterative import Iterative
from app.lottery.methods.method import Finished, Origin
from app.pruning import survivors
from app.runs.layout import NetworkKey


class DenseContinued(Chain):
    """The dense network trained on round after round, each as long as a ticket's training, and never pruned.

    A control of iterative tickets: at every round it has been trained for as many iterations as their chain up to that
    round. Schedule and data order of a round are those of a ticket, the optimiser is new.
    """

    name = "dense_continued"
    label = "dense, continued"
    note = "the dense network trained on, for as many iterations as the tickets up to that round, and drawn beside them"
    of = Iterative.name

    @override
    def continues(self, key: NetworkKey) -> tuple[NetworkKey, ...]:
        return (self.before(key),)

    @override
    def origin(self, key: NetworkKey, finished: Finished) -> Origin:
        masks = finished.dense_masks(key.replicate)
        return Origin(weights=self.weights(key, finished), masks=masks, survivors=survivors(masks))

    @override
    def weights(self, key: NetworkKey, finished: Finished) -> dict[str, Tensor]:
        return finished.final(self.before(key))
