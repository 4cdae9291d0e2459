"""What controls of tickets have in common."""

from collections.abc import Collection

from typing_extensions import override

from app.lottery.methods.iterative import Iterative
from app.lottery.methods.method import Finished, Method, Origin, ticket_key
from app.pruning import Masks, survivors
from app.runs.layout import NetworkKey


class Control(Method):
    """A network beside a ticket of the same round, made from its mask and not from its trained weights.

    It has that mask where a subclass does not say otherwise.

    Args:
        branches: networks for each ticket.
        of: name of the method whose tickets it is a control of. Controls of another method than iterative have its
            name in theirs: `random_mask_of_snip`.
    """

    of = Iterative.name

    def __init__(self, branches: int = 1, of: str = Iterative.name) -> None:
        super().__init__(branches)
        self.of = of
        if of != Iterative.name:
            self.name, self.label = f"{self.name}_of_{of}", f"{self.label} of {of.replace('_', ' ')}"

    def ticket(self, key: NetworkKey, finished: Finished) -> Masks:
        """The masks of the ticket."""
        return finished.mask(ticket_key(key, self.of))

    @override
    def needs(self, key: NetworkKey, methods: Collection[str]) -> tuple[NetworkKey, ...]:
        return (ticket_key(key, self.of),)

    @override
    def reads_weights_of(self, key: NetworkKey) -> tuple[NetworkKey, ...]:
        return ()

    @override
    def origin(self, key: NetworkKey, finished: Finished) -> Origin:
        masks = self.ticket(key, finished)
        return Origin(weights=self.weights(key, finished), masks=masks, survivors=survivors(masks))
