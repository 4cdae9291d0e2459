"""Recognises the Penn Treebank by its content: the tags of its words, and the number of trees in its sections."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from app.parsing.trees import Node

# Tags of words; without the tags of punctuation, currency signs and empty nodes.
WORD_TAGS = frozenset(
    (
        *("CC", "CD", "DT", "EX", "FW", "IN", "JJ", "JJR", "JJS", "LS", "MD", "NN", "NNS", "NNP", "NNPS", "PDT", "POS"),
        *("PRP", "PRP$", "RB", "RBR", "RBS", "RP", "SYM", "TO", "UH", "VB", "VBD", "VBG", "VBN", "VBP", "VBZ"),
        *("WDT", "WP", "WP$", "WRB"),
    )
)
# The other tags of the treebank, of what is no word.
OTHER_TAGS = frozenset(("-NONE-", "-LRB-", "-RRB-", ",", ".", ":", "``", "''", "$", "#"))
SECTIONS = range(25)
SPLITS = {"train": range(2, 22), "valid": range(22, 23), "test": range(23, 24)}  # by sections
# Trees by first and last section; 49,208 with section 01. Section 01 is left out, because samples have a part of it.
TREES = {(0, 0): 1_921, (2, 21): 39_832, (22, 22): 1_700, (23, 23): 2_416, (24, 24): 1_346}
SAMPLE_SECTIONS = {0, 1}
MOST_FOREIGN = 0.001  # share of words with other tags; a few tags of the treebank are misprints


@dataclass(frozen=True, slots=True)
class Contents:
    """What decides which treebank it is.

    Args:
        trees: number of trees by section.
        tags: number of words and signs by tag.
    """

    trees: Mapping[int, int]
    tags: Mapping[str, int]

    @property
    def foreign(self) -> Counter[str]:
        """Number of words and signs by tag, of the tags that the Penn Treebank does not have; they are not read."""
        return Counter({tag: n for tag, n in self.tags.items() if tag not in WORD_TAGS and tag not in OTHER_TAGS})

    @property
    def words(self) -> int:
        """Number of words; signs count where their tag is not one of the Penn Treebank."""
        return sum(n for tag, n in self.tags.items() if tag not in OTHER_TAGS)

    def has_size(self, first: int, last: int) -> bool:
        """Whether these sections have as many trees as in the Penn Treebank."""
        sections = range(first, last + 1)
        return self.trees.keys() >= set(sections) and self._size(first, last) == TREES[first, last]

    def _size(self, first: int, last: int) -> int:
        return sum(self.trees.get(section, 0) for section in range(first, last + 1))

    @property
    def is_tagged(self) -> bool:
        """Whether the tags are the Penn Treebank's, but for a few."""
        return self.foreign.total() <= MOST_FOREIGN * self.words

    @property
    def is_sample(self) -> bool:
        """Whether this is section 00, with section 01 or a part of it: NLTK's sample."""
        return self.is_tagged and self.trees.keys() <= SAMPLE_SECTIONS and self.has_size(0, 0)

    @property
    def is_penn(self) -> bool:
        """Whether this is the Penn Treebank or one of its splits."""
        return self.is_tagged and any(self.has_size(*span) for span in TREES if span != (0, 0))

    @property
    def splits(self) -> list[str]:
        """The splits that are there as the papers have them."""
        return [split for split, numbers in SPLITS.items() if self.has_size(numbers[0], numbers[-1])]

    def what_is_missing(self) -> list[str]:
        """Phrases about the sections that are missing or of another size; empty for the whole treebank."""
        phrases = []
        if missing := [f"{section:02d}" for section in SECTIONS if section not in self.trees]:
            phrases.append(f"no section {', '.join(missing)}")
        for (first, last), trees in TREES.items():
            if self.trees.keys() >= set(range(first, last + 1)) and not self.has_size(first, last):
                which = f"section {first:02d} has" if first == last else f"sections {first:02d}-{last:02d} have"
                phrases.append(f"{which} {self._size(first, last):,} trees and not {trees:,}")
        return phrases


def tags(node: Node) -> Counter[str]:
    """Number of words of a labelled tree by tag. Safe for trees of any depth, because nothing recurses."""
    counts = Counter[str]()
    ahead = [node]
    while ahead:
        label, children = ahead.pop()
        for child in children:
            if isinstance(child, str):
                counts[label] += 1
            else:
                ahead.append(child)
    return counts
