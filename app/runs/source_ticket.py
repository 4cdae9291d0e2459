"""Tickets of another run directory, whose masks and starting weights networks are made from."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from app.common.errors import UserError
from app.pruning import Masks
from app.runs.checksums import read_checksums, record
from app.runs.layout import REPLICATE, NetworkKey, RunDirectory, RunLayout, TrainingLayout
from app.runs.network_report import read_report
from app.runs.recorded_tensors import read_tensors
from app.runs.ticket import starting_state

ROUND = re.compile(r"round_(\d+)")
TICKETS = "tickets"  # the entry of checksums.json
SHOWN = 12  # digits of a checksum in messages


class SourceTicket(NamedTuple):
    """A ticket, as its network was before it was trained.

    Args:
        weights: state that it began with, by name, before or after masking.
        masks: by name of the weight.
    """

    weights: dict[str, Tensor]
    masks: Masks


@dataclass(frozen=True, slots=True)
class TicketSource:
    """A path that names tickets of a lottery, without a look at what is there.

    Args:
        run: the run directory.
        replicate: of the tickets; the one that is asked for where it is None.
        method: of the tickets.
        round: of the ticket; all rounds where it is None.
    """

    run: Path
    replicate: int | None
    method: str
    round: int | None

    @classmethod
    def parse(cls, path: str, option: str) -> "TicketSource":
        """Read a path: RUN, RUN/replicate_R/METHOD or RUN/replicate_R/METHOD/round_NN.

        Args:
            path: what was written.
            option: that it was written for.

        Raises:
            UserError: the path has another form.
        """
        parts = Path(os.path.abspath(path)).parts
        places = [place for place, part in enumerate(parts) if REPLICATE.fullmatch(part)]
        if not places:
            return cls(Path(path), None, "iterative", None)
        rest = parts[places[-1] + 1 :]
        number = ROUND.fullmatch(rest[1]) if len(rest) == 2 else None
        if not rest or len(rest) > 2 or (len(rest) == 2 and number is None) or ROUND.fullmatch(rest[0]):
            raise UserError(
                f"{option} is {path}; expected a ticket, as in runs/X/replicate_0/iterative/round_07, all of a method, "
                "as in runs/X/replicate_0/iterative, or a run directory"
            )
        replicate = int(parts[places[-1]].removeprefix("replicate_"))
        return cls(Path(*parts[: places[-1]]), replicate, rest[0], int(number[1]) if number else None)

    @property
    def name(self) -> str:
        """The experiment's name, with that of the method where it is not iterative."""
        experiment = self.place.name
        return experiment if self.method == "iterative" else f"{experiment}.{self.method}"

    @property
    def place(self) -> Path:
        """The run directory by its whole path."""
        return Path(os.path.abspath(self.run))

    def files(self, replicate: int, round: int) -> TrainingLayout:
        """The files of one ticket.

        Args:
            replicate: taken where the path names none.
            round: of the ticket.
        """
        at = replicate if self.replicate is None else self.replicate
        return RunLayout(self.run).network(NetworkKey(at, self.method, round))


def read_ticket(files: TrainingLayout) -> SourceTicket:
    """Read a ticket of another run directory.

    Raises:
        UserError: it is not finished, or a file is missing or damaged.
    """
    _check_finished(files)
    return SourceTicket(weights=starting_state(TrainingLayout(files.root.resolve())), masks=read_tensors(files.mask))


def ticket_checksums(files: TrainingLayout) -> dict[str, str]:
    """The checksums of mask and start of a finished ticket, as its report has them.

    Raises:
        UserError: it is not finished, or its report is damaged.
    """
    _check_finished(files)
    found = read_report(files)["checksums"]
    return {name: str(found.get(name)) for name in ("mask", "start")}


def claim_tickets(run: RunDirectory, checksums: Mapping[str, Mapping[str, str]]) -> None:
    """Record the checksums of tickets that networks are made from, or compare them with those recorded before.

    Args:
        run: the run directory of those networks.
        checksums: of tickets, by directory of the network that is made from each.

    Raises:
        UserError: a ticket is another one than before.
    """
    before = read_checksums(run.root).get(TICKETS)
    known = before if isinstance(before, dict) else {}
    for network, found in checksums.items():
        if network in known and known[network] != dict(found):
            name = next(name for name, value in found.items() if known[network].get(name) != value)
            raise UserError(
                f"{run.root / network} was begun with another ticket (SHA-256 of its {name}: "
                f"{str(known[network].get(name))[:SHOWN]}... -> {found[name][:SHOWN]}...); put the former one back, or "
                "choose another --experiment"
            )
    if checksums:
        record(run.root, {TICKETS: {**known, **{network: dict(found) for network, found in checksums.items()}}})


def _check_finished(files: TrainingLayout) -> None:
    if not files.done.exists():
        raise UserError(f"{files.root}: no finished ticket there (no {files.done.name} file)")
