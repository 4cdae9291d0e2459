"""Iterative pruning (Frankle & Carbin, section 2)."""

from collections.abc import Collection

from typing_extensions import override

from app.lottery.methods.method import Finished, Method, Origin, dense_key
from app.runs.layout import NetworkKey


class Iterative(Method):
    """Prune the network of the round before a little, and rewind the survivors."""

    name = "iterative"
    label = "iterative"
    note = "pruned a little every round, the survivors rewound"

    @override
    def needs(self, key: NetworkKey, methods: Collection[str]) -> tuple[NetworkKey, ...]:
        before = dense_key(key.replicate) if key.round == 1 else NetworkKey(key.replicate, self.name, key.round - 1)
        return (before,)

    @override
    def origin(self, key: NetworkKey, finished: Finished) -> Origin:
        (before,) = self.needs(key, ())
        return Origin(weights=self.weights(key, finished), masks=finished.mask(before), trained=finished.final(before))
