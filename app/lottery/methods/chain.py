"""What methods have in common that prune a little, train, and prune again."""

from collections.abc import Collection
from dataclasses import replace

from torch import Tensor
from typing_extensions import override

from app.common.errors import UserError
from app.lottery.methods.method import Finished, Method, Origin, dense_key
from app.pruning import When
from app.runs.layout import NetworkKey


class Chain(Method):
    """Prunes its own network of the round before, by the rates; round 1 prunes the dense network."""

    def before(self, key: NetworkKey) -> NetworkKey:
        """The network that is pruned."""
        return dense_key(key.replicate) if key.round == 1 else replace(key, round=key.round - 1)

    @override
    def needs(self, key: NetworkKey, methods: Collection[str]) -> tuple[NetworkKey, ...]:
        return (self.before(key),)

    @override
    def origin(self, key: NetworkKey, finished: Finished) -> Origin:
        before = self.before(key)
        return Origin(weights=self.weights(key, finished), masks=finished.mask(before), trained=finished.final(before))


class TrainedOn(Chain):
    """Keeps the trained weights of the survivors, where a ticket is rewound (Renda, Frankle & Carbin 2020).

    Scores that compare trained weights with earlier ones compare them with those that tickets are rewound to.

    Args:
        iterations: length of the training of each round: it has the schedule and the data order of the last so many
            iterations of the dense training. As long as the dense training where it is left out.

    Raises:
        UserError: fewer than one iteration.
    """

    def __init__(self, iterations: int | None = None) -> None:
        super().__init__()
        if iterations is not None and iterations < 1:
            raise UserError(f"{self.name}: iterations is {iterations}; expected 1 or more, or none for all")
        self.trains_on_from = When(0) if iterations is None else When(iterations, before_end=True)

    @override
    def continues(self, key: NetworkKey) -> tuple[NetworkKey, ...]:
        return (self.before(key),)

    @override
    def weights(self, key: NetworkKey, finished: Finished) -> dict[str, Tensor]:
        return finished.final(self.before(key))

    @override
    def origin(self, key: NetworkKey, finished: Finished) -> Origin:
        before = self.before(key)
        trained = finished.final(before)
        scored_from = finished.rewind_point(key.replicate)
        return Origin(weights=trained, masks=finished.mask(before), trained=trained, scored_from=scored_from)
