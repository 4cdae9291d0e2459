"""One-shot pruning (Frankle & Carbin, section 2)."""

from collections.abc import Collection

from typing_extensions import override

from app.lottery.methods.iterative import Iterative
from app.lottery.methods.method import Finished, Method, Origin, dense_key, ticket_key
from app.pruning import survivors
from app.runs.layout import NetworkKey


class OneShot(Method):
    """Prune the trained dense network once, as far as so many rounds of iterative pruning would.

    Where there are iterative tickets each layer keeps as many weights as theirs, else as many as the rates say.
    """

    name = "one_shot"
    label = "one-shot"
    note = "the trained dense network pruned once to the density of that round, the survivors rewound"

    @override
    def needs(self, key: NetworkKey, methods: Collection[str]) -> tuple[NetworkKey, ...]:
        return (ticket_key(key) if Iterative.name in methods else dense_key(key.replicate),)

    @override
    def reads_weights_of(self, key: NetworkKey) -> tuple[NetworkKey, ...]:
        return (dense_key(key.replicate),)

    @override
    def origin(self, key: NetworkKey, finished: Finished) -> Origin:
        if Iterative.name in finished.methods:
            counts = survivors(finished.parts(finished.mask(ticket_key(key))))
        else:
            counts = finished.scheduled_survivors(key.round)
        return Origin(
            weights=self.weights(key, finished),
            masks=finished.dense_masks(key.replicate),
            trained=finished.final(dense_key(key.replicate)),
            survivors=counts,
        )
