"""The unpruned network."""

from collections.abc import Collection, Iterator

from torch import Tensor
from typing_extensions import override

from app.lottery.methods.method import Finished, Method, Origin, dense_key
from app.pruning import survivors
from app.runs.layout import NetworkKey


class Dense(Method):
    """Round 0 of every replicate: all weights, from the initial ones."""

    name = "dense"
    label = "dense"

    @override
    def networks(self, replicate: int, rounds: int) -> Iterator[NetworkKey]:
        yield dense_key(replicate)

    @override
    def needs(self, key: NetworkKey, methods: Collection[str]) -> tuple[NetworkKey, ...]:
        return ()

    @override
    def weights(self, key: NetworkKey, finished: Finished) -> dict[str, Tensor]:
        return finished.initial(key.replicate)

    @override
    def origin(self, key: NetworkKey, finished: Finished) -> Origin:
        masks = finished.dense_masks(key.replicate)
        return Origin(weights=self.weights(key, finished), masks=masks, survivors=survivors(masks))
