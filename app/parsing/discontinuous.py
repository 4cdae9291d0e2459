"""Trees whose phrases may have gaps, and the part of them that brackets can show: the phrases without gaps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.parsing.trees import Node

ROOT = -1  # as a parent: the sentence


class Continuous(NamedTuple):
    """The phrases of a tree that have no gap.

    Args:
        node: the tree that they make, over the words that were kept; None if there are none.
        phrases: how many phrases cover two or more of the words.
        gaps: how many of these have a gap, and are left out.
    """

    node: Node | None
    phrases: int
    gaps: int


@dataclass(frozen=True, slots=True)
class DiscontinuousTree:
    """A labelled tree of which a phrase may cover any words of the sentence.

    Args:
        words: tag and word, in the order of the sentence.
        word_parents: of each word the index of its phrase, or `ROOT`.
        phrases: label and parent of each phrase: the index of another, or `ROOT`; no phrase is above itself.
    """

    words: Sequence[tuple[str, str]]
    word_parents: Sequence[int]
    phrases: Sequence[tuple[str, int]]

    def continuous(self, is_word: Callable[[str, str], bool]) -> Continuous:
        """The tree of the phrases without gaps.

        A gap is a word between two others of a phrase that is not of the phrase. Words that are left out make none: a
        phrase interrupted by a comma has no gap where commas are no words. What a phrase with a gap covers belongs to
        the lowest phrase without one above it; no phrase gets words that it does not have.

        Args:
            is_word: says of a tag and a word whether it is kept.
        """
        kept = [index for index, (tag, word) in enumerate(self.words) if is_word(tag, word)]
        if not kept:
            return Continuous(None, 0, 0)
        order = self._from_the_root()
        first, last, count = self._extents(kept, order)
        made: dict[int, Node] = {ROOT: ("", [])}
        children: dict[int, list[tuple[int, Node]]] = {ROOT: []}  # of each phrase: first word, and the child
        holder = {ROOT: ROOT}  # the phrase itself or the lowest above it that has no gap
        phrases = gaps = 0
        for phrase in order:
            label, parent = self.phrases[phrase]
            holder[phrase] = holder[parent]
            size = count[phrase]
            whole = size > 0 and last[phrase] - first[phrase] + 1 == size
            phrases += size > 1
            gaps += size > 1 and not whole
            if whole:
                made[phrase], children[phrase] = (label, []), []
                children[holder[parent]].append((first[phrase], made[phrase]))
                holder[phrase] = phrase
        for rank, index in enumerate(kept):
            tag, word = self.words[index]
            children[holder[self.word_parents[index]]].append((rank, (tag, [word])))
        for phrase, found in children.items():
            made[phrase][1].extend(node for _, node in sorted(found, key=lambda child: child[0]))
        return Continuous(made[ROOT], phrases, gaps)

    def _from_the_root(self) -> list[int]:
        """The phrases, each after its parent."""
        below: dict[int, list[int]] = {}
        for phrase, (_, parent) in enumerate(self.phrases):
            below.setdefault(parent, []).append(phrase)
        order = list(below.get(ROOT, []))
        for phrase in order:  # grows while it is read
            order += below.get(phrase, [])
        return order

    def _extents(self, kept: Sequence[int], order: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
        """Of each phrase: its first and last word, counted among the kept ones, and how many it has."""
        first, last, count = ([len(kept)] * len(self.phrases), [-1] * len(self.phrases), [0] * len(self.phrases))
        for rank, index in enumerate(kept):
            if (parent := self.word_parents[index]) != ROOT:
                first[parent], last[parent] = min(first[parent], rank), rank
                count[parent] += 1
        for phrase in reversed(order):
            if (parent := self.phrases[phrase][1]) != ROOT:
                first[parent] = min(first[parent], first[phrase])
                last[parent] = max(last[parent], last[phrase])
                count[parent] += count[phrase]
        return first, last, count
