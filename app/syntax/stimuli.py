"""Minimal pairs and triples of sentences, and the constructions that they test."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

# The comparisons of an item by its number of sentences: a name, and the indices of the better and the worse sentence.
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
        case: the set of items that it is part of.
        condition: the part of the case.
        sentences: words separated by single spaces. The first sentence is grammatical, the last is not; the middle one
            of three has the licensing word in a position where it does not license (intrusive).
    """

    case: str
    condition: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Construction:
    """A grammatical construction, tested by one or more cases.

    Args:
        name: of a row of Table 3 (Shen et al. 2019), or the user's.
        term: "short" or "long", the distance between the words that must agree; "" if not specified.
        cases: the cases that test it.
        sentences: number of sentences of an item, 2 or 3.
    """

    name: str
    term: str
    cases: tuple[str, ...]
    sentences: int

    def rows(self) -> Iterator[tuple[str, str]]:
        """The name of each of its rows, and the comparison in that row."""
        for comparison, _, _ in COMPARISONS[self.sentences]:
            yield f"{self.name}, {comparison}" if comparison else self.name, comparison


@dataclass(frozen=True, slots=True)
class Stimuli:
    """Constructions, in the order of the table, and their items.

    Args:
        source: name of the file that they were read from.
        constructions: each case belongs to one of them.
        items: each belongs to a case of these constructions.
    """

    source: str
    constructions: tuple[Construction, ...]
    items: tuple[Item, ...]
