"""Sentences that differ in grammar and in little else, and what they are there to tell."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

# What is compared of an item, by how many sentences it has: a name, and the places of the better and the worse one.
COMPARISONS: dict[int, tuple[tuple[str, int, int], ...]] = {
    2: (("", 0, 1),),
    3: (
        ("grammatical vs. intrusive", 0, 1),
        ("intrusive vs. ungrammatical", 1, 2),
        ("grammatical vs. ungrammatical", 0, 2),
    ),
}


class Item(NamedTuple):
    """A minimal pair, or a triple.

    Args:
        case: the set of sentences that it belongs to.
        condition: the part of the case.
        sentences: words with one space between them. The first is grammatical, the last is not; the middle one of three
            holds what would make it grammatical in a place where it does not.
    """

    case: str
    condition: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Construction:
    """What a set of cases tests.

    Args:
        name: of a row of Table 3 (Shen et al. 2019), or of the user's.
        term: "short" or "long", how far the words are apart that must agree; "" where nobody says.
        cases: its cases.
        sentences: how many sentences an item has, 2 or 3.
    """

    name: str
    term: str
    cases: tuple[str, ...]
    sentences: int

    def rows(self) -> Iterator[tuple[str, str]]:
        """Name of each row that it makes, and of the comparison there."""
        for comparison, _, _ in COMPARISONS[self.sentences]:
            yield f"{self.name}, {comparison}" if comparison else self.name, comparison


@dataclass(frozen=True, slots=True)
class Stimuli:
    """Constructions, in the order of their table, and their items.

    Args:
        source: name of the file that they came from.
        constructions: no case occurs twice.
        items: every one is of a case of theirs.
    """

    source: str
    constructions: tuple[Construction, ...]
    items: tuple[Item, ...]
