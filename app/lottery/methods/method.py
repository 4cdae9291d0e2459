"""What a method is: how the networks of a lottery come to their weights and masks."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from lightning.pytorch import Callback
from torch import Tensor

from app.common.errors import UserError
from app.pruning import Masks, Score, When
from app.runs.layout import NetworkKey, TrainingLayout
from app.runs.schema import MethodNote


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a network is made from: `next_round` prunes `masks` by the scores of `trained` and rewinds to `weights`.

    Args:
        weights: the state that the survivors return to, by name.
        masks: the weights that may survive.
        trained: the state whose weights are scored; `weights` where it is left out.
        survivors: exactly how many weights stay of each tensor, or of each part (`Finished.parts`); or of all together,
            which are ranked together then; as many as the rates say where it is left out.
        score: which weights stay; the configured score where it is left out.
        scored_from: the earlier state that scores may compare the trained weights with; `weights` where it is left
            out.
    """

    weights: Mapping[str, Tensor]
    masks: Masks
    trained: Mapping[str, Tensor] | None = None
    survivors: Mapping[str, int] | int | None = None
    score: Score | None = None
    scored_from: Mapping[str, Tensor] | None = None


class Finished(Protocol):
    """What a method may ask of the networks before its own, and draw; states and masks are on the CPU, by name."""

    @property
    def methods(self) -> Collection[str]:
        """Names of all methods of the lottery."""

    def initial(self, replicate: int) -> dict[str, Tensor]:
        """The state before any training."""

    def rewind_point(self, replicate: int, method: str = "") -> dict[str, Tensor]:
        """The state at the moment that survivors are rewound to.

        Args:
            replicate: its number.
            method: name of the method whose tickets are meant; where it has no moment of its own, or is left out, it is
                that of the lottery.
        """

    def final(self, key: NetworkKey) -> dict[str, Tensor]:
        """The trained state of a network."""

    def mask(self, key: NetworkKey) -> Masks:
        """The masks of a network."""

    def dense_masks(self, replicate: int) -> Masks:
        """Masks of which nothing is missing."""

    def parts(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Views of tensors, such as masks, in parts of one layer kind each: whole tensors, or the rows of a kind.

        Args:
            tensors: all prunable ones at least, by name.
        """

    def scheduled_survivors(self, round: int) -> dict[str, int]:
        """How many weights of each part the rates leave after so many layer-wise prunings."""

    def scheduled_total(self, round: int) -> int:
        """How many prunable weights the rates leave after so many prunings, in all."""

    def fresh_weights(self, key: NetworkKey) -> dict[str, Tensor]:
        """A state drawn for this network alone, from a seed of its own."""

    def generator(self, key: NetworkKey) -> torch.Generator:
        """A generator for this network alone, from a seed of its own."""


class Method(ABC):
    """One way to make networks; a subclass is one file.

    Args:
        branches: networks for each ticket, where the method is a control; 1 for others.

    Raises:
        UserError: fewer than one branch.
    """

    name: str  # in results.csv and in directories
    label: str = ""  # in sentences and legends; the name in words where it is empty
    note: str = ""  # what it does, one clause, for "How to read"
    of: str = ""  # the method whose tickets it is a control of
    # The moment whose weights its survivors return to; where it is None that of the lottery.
    rewinds_to: When | None = None
    # The moment of the dense training whose schedule and data order its networks train on with; where it is None that
    # that survivors return to, or the beginning.
    trains_on_from: When | None = None
    # Whether its networks train at the learning rate that the dense training's last iteration had.
    at_last_rate: bool = False

    def __init__(self, branches: int = 1) -> None:
        if branches < 1:
            raise UserError(f"{self.name}: branches is {branches}; expected 1 or more")
        self.branches = branches

    def networks(self, replicate: int, rounds: int) -> Iterator[NetworkKey]:
        """The networks that it makes in one replicate, branch after branch, round after round."""
        for branch in range(self.branches):
            for round in range(1, rounds + 1):
                yield NetworkKey(replicate, self.name, round, branch, of=self.of)

    @abstractmethod
    def needs(self, key: NetworkKey, methods: Collection[str]) -> tuple[NetworkKey, ...]:
        """The networks whose files a network is made from, but for what those themselves needed.

        Args:
            key: one of its networks.
            methods: names of all methods of the lottery.
        """

    def reads_weights_of(self, key: NetworkKey) -> tuple[NetworkKey, ...]:
        """The networks whose trained weights `origin` reads; all that it needs where a subclass does not say."""
        return self.needs(key, ())

    def continues(self, key: NetworkKey) -> tuple[NetworkKey, ...]:
        """The networks whose trained weights `weights` returns; none where a subclass does not say."""
        return ()

    def ticket_files(self, key: NetworkKey) -> TrainingLayout | None:
        """The ticket of another run directory that a network is made from; None where a subclass does not say."""
        return None

    def weights(self, key: NetworkKey, finished: Finished) -> dict[str, Tensor]:
        """The state that the survivors of a network return to; the rewind point where a subclass does not say."""
        return finished.rewind_point(key.replicate, self.of or self.name)

    @abstractmethod
    def origin(self, key: NetworkKey, finished: Finished) -> Origin:
        """What a network is made from.

        Args:
            key: one of its networks.
            finished: the networks that it needs, at least.
        """

    def callbacks(self, key: NetworkKey) -> list[Callback]:
        """What it changes in the training of a network: callbacks besides the usual ones."""
        return []

    @property
    def described(self) -> MethodNote:
        """What tables and figures say of it."""
        return MethodNote(name=self.name, label=self.label, note=self.note, of=self.of)


def dense_key(replicate: int) -> NetworkKey:
    """The dense network of a replicate."""
    return NetworkKey(replicate, "dense", 0)


def ticket_key(key: NetworkKey, method: str = "iterative") -> NetworkKey:
    """The ticket of another method at the round of a network."""
    return NetworkKey(key.replicate, method, key.round)
