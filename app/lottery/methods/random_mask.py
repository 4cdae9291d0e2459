"""Random masks: the control of which weights survive (Frankle & Carbin, appendix F)."""

from typing_extensions import override

from app.lottery.methods.control import Control
from app.lottery.methods.method import Finished, Origin, ticket_key
from app.pruning import survivors
from app.pruning.scores import RandomOrder
from app.runs.layout import NetworkKey


class RandomMask(Control):
    """As many survivors in each layer as an iterative ticket has, in random places, on the weights it is rewound to."""

    name = "random_mask"
    label = "random mask"
    note = "a ticket's density per layer in random places, on the weights that tickets are rewound to"

    @override
    def origin(self, key: NetworkKey, finished: Finished) -> Origin:
        return Origin(
            weights=self.weights(key, finished),
            masks=finished.dense_masks(key.replicate),
            survivors=survivors(finished.mask(ticket_key(key))),
            score=RandomOrder(finished.generator(key)),
        )
