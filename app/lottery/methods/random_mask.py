"""Random masks: the control of which weights survive (Frankle & Carbin, appendix E)."""

from collections.abc import Mapping

from typing_extensions import override

from app.lottery.methods.control import Control
from app.lottery.methods.method import Finished, Origin
from app.pruning import Masks, survivors
from app.pruning.scores import RandomOrder
from app.runs.layout import NetworkKey


class RandomMask(Control):
    """As many survivors in each layer as a ticket has, in random places, on the weights that tickets are rewound to."""

    name = "random_mask"
    label = "random mask"
    note = "a ticket's density per layer in random places, on the weights that tickets are rewound to"

    def counts(self, ticket: Masks) -> Mapping[str, int]:
        """How many weights survive in each layer.

        Args:
            ticket: the masks of the ticket, by part.
        """
        return survivors(ticket)

    @override
    def origin(self, key: NetworkKey, finished: Finished) -> Origin:
        return Origin(
            weights=self.weights(key, finished),
            masks=finished.dense_masks(key.replicate),
            survivors=self.counts(finished.parts(self.ticket(key, finished))),
            score=RandomOrder(finished.generator(key)),
        )
