"""Tickets found in another lottery: on other data, or with another optimiser (Morcos et al. 2019)."""

from collections.abc import Collection, Iterator, Sequence

from torch import Tensor
from typing_extensions import override

from app.common.errors import UserError
from app.lottery.methods.method import Finished, Method, Origin
from app.pruning import When, survivors
from app.pruning.transfer import transplant
from app.runs.layout import TRANSFERRED, NetworkKey, TrainingLayout
from app.runs.source_ticket import SourceTicket, TicketSource, read_ticket

OPTION = "pruning.from_ticket"


class Transferred(Method):
    """Masks and starting weights of a ticket of another run directory; it trains the full length.

    Where the number of classes differs, the output layer is new: that of the initial weights, with as dense a mask in
    random places. It is made by `--pruning.from_ticket`.

    Args:
        from_ticket: paths in one run directory: of a ticket (RUN/replicate_R/METHOD/round_NN), of all tickets of a
            method (RUN/replicate_R/METHOD), or of the run directory, of which each replicate takes the iterative
            tickets of its own number. Where they name tickets of several replicates, replicates take them in turn.

    Raises:
        UserError: they are of several run directories or methods, or none of these.
    """

    name = TRANSFERRED
    trains_on_from = When(0)  # the moment that they were rewound to is one of another training

    def __init__(self, from_ticket: str | Sequence[str]) -> None:
        super().__init__()
        paths = [from_ticket] if isinstance(from_ticket, str) else from_ticket
        self.sources = [TicketSource.parse(path, OPTION) for path in paths]
        first = self.sources[0]
        if other := [each for each in self.sources if (each.name, each.place) != (first.name, first.place)]:
            raise UserError(
                f"{OPTION} names tickets of {first.run} and of {other[0].run}, which would have one name; rename a run "
                "directory"
            )
        self.name = f"{TRANSFERRED}{first.name}"
        self.label = f"ticket of {first.name}"
        self.note = f"masks and starting weights of a ticket of {first.name}"

    @property
    def rounds(self) -> list[int] | None:
        """The rounds of its tickets; None for all."""
        numbers = {source.round for source in self.sources}
        return None if None in numbers else sorted(number for number in numbers if number is not None)

    @override
    def networks(self, replicate: int, rounds: int) -> Iterator[NetworkKey]:
        for round in self.rounds or range(1, rounds + 1):
            yield NetworkKey(replicate, self.name, round)

    @override
    def needs(self, key: NetworkKey, methods: Collection[str]) -> tuple[NetworkKey, ...]:
        return ()

    @override
    def ticket_files(self, key: NetworkKey) -> TrainingLayout:
        having = [source for source in self.sources if source.round in (None, key.round)]
        return having[key.replicate % len(having)].files(key.replicate, key.round)

    @override
    def weights(self, key: NetworkKey, finished: Finished) -> dict[str, Tensor]:
        return self._fitted(key, finished).weights

    @override
    def origin(self, key: NetworkKey, finished: Finished) -> Origin:
        weights, masks = self._fitted(key, finished)
        return Origin(weights=weights, masks=masks, survivors=survivors(masks))

    def _fitted(self, key: NetworkKey, finished: Finished) -> SourceTicket:
        files = self.ticket_files(key)
        weights, masks = read_ticket(files)
        fresh = finished.initial(key.replicate)
        return SourceTicket(*transplant(weights, masks, fresh, finished.generator(key), str(files.root)))
