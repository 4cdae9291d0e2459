"""Random masks: the control of which weights survive (Frankle & Carbin, appendix F)."""

from collections.abc import Collection

from typing_extensions import override

from app.lottery.methods.iterative import Iterative
from app.lottery.methods.method import Finished, Method, Origin, ticket_key
from app.pruning import survivors
from app.pruning.scores import RandomOrder
from app.runs.layout import NetworkKey


class RandomMask(Method):
    """As many survivors in each layer as an iterative ticket has, in random places, on the weights it is rewound to."""

    name = "random_mask"
    label = "random mask"
    note = "a ticket's density per layer in random places, on the weights that tickets are rewound to"
    of = Iterative.name

    @override
    def needs(self, key: NetworkKey, methods: Collection[str]) -> tuple[NetworkKey, ...]:
        return (ticket_key(key),)

    @override
    def reads_weights_of(self, key: NetworkKey) -> tuple[NetworkKey, ...]:
        return ()

    @override
    def origin(self, key: NetworkKey, finished: Finished) -> Origin:
        return Origin(
            weights=self.weights(key, finished),
            masks=finished.dense_masks(key.replicate),
            survivors=survivors(finished.mask(ticket_key(key))),
            score=RandomOrder(finished.generator(key)),
        )
