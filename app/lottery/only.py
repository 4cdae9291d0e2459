"""The option `--pruning.only`: the part of an experiment that one command trains."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.common.errors import UserError
from app.runs.layout import DENSE, NetworkKey

Numbers = int | str | list[int | str]
_RANGE = re.compile(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?")


@dataclass(frozen=True, kw_only=True)
class Only:
    """Which networks of an experiment a command trains: those that all of these include.

    Numbers are one, a list, or text of numbers and ranges, such as 0, [0, 2] or "0,4-7".

    Args:
        replicates: numbers of replicates; all where it is left out.
        methods: names of methods and controls, one or a list; all where it is left out. The dense network is round 0 of
            each of them where `rounds` is given and includes 0.
        rounds: numbers of rounds; all where it is left out.
        branches: numbers of networks among those of a control; all where it is left out.

    Raises:
        UserError: an option has another form.
    """

    replicates: Numbers | None = None
    methods: str | list[str] | None = None
    rounds: Numbers | None = None
    branches: Numbers | None = None

    def __post_init__(self) -> None:
        for name in ("replicates", "rounds", "branches"):
            numbers(getattr(self, name), name)

    def includes(self, key: NetworkKey) -> bool:
        """Whether a network is one of them."""
        ranges = {name: numbers(getattr(self, name), name) for name in ("replicates", "rounds", "branches")}
        here = {"replicates": key.replicate, "rounds": key.round, "branches": key.branch}
        if any(found is not None and here[name] not in found for name, found in ranges.items()):
            return False
        names = self._names
        return names is None or key.method in names or (key.method == DENSE and self.rounds is not None)

    def check(self, methods: Sequence[str], replicates: int, rounds: int) -> None:
        """Refuse what an experiment does not have.

        Args:
            methods: names of its methods.
            replicates: how many it has.
            rounds: the last one.

        Raises:
            UserError: naming it.
        """
        if unknown := [name for name in self._names or () if name not in methods]:
            raise UserError(f"pruning.only.methods has {unknown[0]}; the methods here are {', '.join(methods)}")
        for name, last in (("replicates", replicates - 1), ("rounds", rounds)):
            if late := [number for number in numbers(getattr(self, name), name) or () if number > last]:
                raise UserError(f"pruning.only.{name} has {late[0]}; the last one here is {last}")

    @property
    def _names(self) -> list[str] | None:
        if isinstance(self.methods, str):
            return [name.strip() for name in self.methods.split(",")]
        return self.methods


def numbers(given: Numbers | None, name: str) -> set[int] | None:
    """The numbers that are meant; None for all.

    Args:
        given: as the user writes them.
        name: of the option, for the error.

    Raises:
        UserError: they are not numbers and ranges.
    """
    if given is None:
        return None
    found: set[int] = set()
    for text in [part for each in (given if isinstance(given, list) else [given]) for part in str(each).split(",")]:
        match = _RANGE.fullmatch(text)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise UserError(f"pruning.only.{name} is {given}; expected numbers from 0 and ranges, such as 0,4-7")
        found.update(range(first, last + 1))
    return found


def written(given: Sequence[int]) -> str:
    """Numbers as the option takes them, such as "0,4-7".

    Args:
        given: at least one, in ascending order, each once.
    """
    runs = [[given[0], given[0]]]
    for number in given[1:]:
        if number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
