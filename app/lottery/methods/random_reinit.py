"""Random reinitialisation (Frankle & Carbin, section 2): the control of the winning weights."""

from collections.abc import Collection

from torch import Tensor
from typing_extensions import override

from app.lottery.methods.iterative import Iterative
from app.lottery.methods.method import Finished, Method, Origin, ticket_key
from app.pruning import survivors
from app.runs.layout import NetworkKey


class RandomReinit(Method):
    """The mask of an iterative ticket with fresh weights."""

    name = "random_reinit"
    label = "random reinit"
    note = "a ticket's mask with fresh weights"
    of = Iterative.name

    @override
    def needs(self, key: NetworkKey, methods: Collection[str]) -> tuple[NetworkKey, ...]:
        return (ticket_key(key),)

    @override
    def reads_weights_of(self, key: NetworkKey) -> tuple[NetworkKey, ...]:
        return ()

    @override
    def weights(self, key: NetworkKey, finished: Finished) -> dict[str, Tensor]:
        return finished.fresh_weights(key)

    @override
    def origin(self, key: NetworkKey, finished: Finished) -> Origin:
        masks = finished.mask(ticket_key(key))
        return Origin(weights=self.weights(key, finished), masks=masks, survivors=survivors(masks))
