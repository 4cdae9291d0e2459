"""Iterative pruning with continued training (Frankle & Carbin, appendix B, strategy 2)."""

from collections.abc import Collection

from typing_extensions import override

from app.lottery.methods.lr_rewinding import LRRewinding
from app.lottery.methods.method import Finished, Method, Origin, ticket_key
from app.pruning import survivors
from app.runs.layout import NetworkKey


class Continued(Method):
    """The masks of a chain that prunes and trains on, on the weights that tickets are rewound to.

    The appendix prunes and keeps training from the trained weights, and resets once, at the end. The chain without the
    reset is that of `lr_rewinding`, which must be among the methods; every round of it has its own rows. A network of
    this method is the reset one: the chain's mask of its round, rewound and trained, with a row beside.
    """

    name = "continued"
    label = "continued training"
    note = "masks found without rewinding, by LR rewinding, on the weights that tickets are rewound to"

    @override
    def needs(self, key: NetworkKey, methods: Collection[str]) -> tuple[NetworkKey, ...]:
        return (ticket_key(key, LRRewinding.name),)

    @override
    def reads_weights_of(self, key: NetworkKey) -> tuple[NetworkKey, ...]:
        return ()

    @override
    def origin(self, key: NetworkKey, finished: Finished) -> Origin:
        masks = finished.mask(ticket_key(key, LRRewinding.name))
        return Origin(weights=self.weights(key, finished), masks=masks, survivors=survivors(masks))
