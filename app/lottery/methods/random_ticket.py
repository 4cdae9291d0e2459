"""Random tickets: the control of both the mask and the weights (Morcos et al. 2019, section 3)."""

from collections.abc import Collection, Iterator

from torch import Tensor
from typing_extensions import override

from app.lottery.methods.method import Finished
from app.lottery.methods.random_mask import RandomMask
from app.pruning import When
from app.runs.layout import RANDOM_TICKET, TRANSFERRED, NetworkKey


class RandomTicket(RandomMask):
    """As many survivors in each layer as a ticket has, in random places, with fresh weights.

    Args:
        branches: networks for each ticket.
        of: name of the method whose tickets it is a control of; it trains as long as these do.
        rounds: of the tickets; all where it is left out.
    """

    name = RANDOM_TICKET
    label = "random ticket"
    note = "a ticket's density per layer in random places, with fresh weights"

    def __init__(self, branches: int = 1, of: str = RandomMask.of, rounds: Collection[int] | None = None) -> None:
        super().__init__(branches, of)
        self.rounds = rounds
        if of.startswith(TRANSFERRED):
            self.trains_on_from = When(0)
            self.label = f"{type(self).label} ({of.removeprefix(TRANSFERRED)})"

    @override
    def networks(self, replicate: int, rounds: int) -> Iterator[NetworkKey]:
        for branch in range(self.branches):
            for round in self.rounds or range(1, rounds + 1):
                yield NetworkKey(replicate, self.name, round, branch, of=self.of)

    @override
    def weights(self, key: NetworkKey, finished: Finished) -> dict[str, Tensor]:
        return finished.fresh_weights(key)
