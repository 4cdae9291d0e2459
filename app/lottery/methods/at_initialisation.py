"""Pruning at initialisation: what methods have in common that need no trained network."""

from collections.abc import Collection
from typing import ClassVar

from typing_extensions import override

from app.lottery.methods.iterative import Iterative
from app.lottery.methods.method import Finished, Method, Origin, dense_key, ticket_key
from app.pruning import Score, survivors
from app.pruning.scores import Inverted
from app.runs.layout import NetworkKey


class AtInitialisation(Method):
    """Prune the weights that tickets are rewound to, once, as far as so many rounds of iterative pruning would.

    All prunable weights are ranked together. As many stay as in the iterative ticket of the round, where there is one,
    else as many as the rates say. In Frankle et al. (2021, "Missing the Mark") these methods are compared.

    Args:
        inverted: whether the weights go first that the method would keep, an ablation of the same paper; `_inverted` is
            added to the name.
    """

    score: ClassVar[type[Score]]  # that ranks the weights

    def __init__(self, inverted: bool = False) -> None:
        super().__init__()
        self.inverted = inverted
        if inverted:
            self.name, self.label = f"{self.name}_inverted", f"{self.label} inverted"
            self.note = f"{self.note}; the weights go that it would keep"

    @override
    def needs(self, key: NetworkKey, methods: Collection[str]) -> tuple[NetworkKey, ...]:
        # The dense training passes the moment that tickets are rewound to.
        return (ticket_key(key) if Iterative.name in methods else dense_key(key.replicate),)

    @override
    def reads_weights_of(self, key: NetworkKey) -> tuple[NetworkKey, ...]:
        return ()

    @override
    def origin(self, key: NetworkKey, finished: Finished) -> Origin:
        if Iterative.name in finished.methods:
            total = sum(survivors(finished.parts(finished.mask(ticket_key(key)))).values())
        else:
            total = finished.scheduled_total(key.round)
        return Origin(
            weights=self.weights(key, finished),
            masks=finished.dense_masks(key.replicate),
            survivors=total,
            score=Inverted(self.ranking()) if self.inverted else self.ranking(),
        )

    def ranking(self) -> Score:
        """The score by which weights stay, where the method is not inverted."""
        return self.score()
