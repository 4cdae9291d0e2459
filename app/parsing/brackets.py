"""The brackets of a tree as spans, and how many of them two trees share."""

from dataclasses import dataclass

from app.parsing.trees import CLOSE, OPEN, Tree, tokens

Span = tuple[int, int]  # first word, word after the last


def words_in(tree: Tree) -> int:
    """The number of words of a tree: the index of its last word plus one."""
    while isinstance(tree, tuple):
        tree = tree[-1]
    return tree + 1


def brackets(tree: Tree) -> set[Span]:
    """The spans of a tree's nodes that cover two words or more, including the whole sentence."""
    found: set[Span] = set()
    starts: list[int] = []
    words = 0
    for token in tokens(tree):
        if token == OPEN:
            starts.append(words)
        elif token == CLOSE:
            start = starts.pop()
            if words - start > 1:
                found.add((start, words))
        else:
            words += 1
    return found


@dataclass(frozen=True, slots=True)
class Overlap:
    """Bracket counts of one or more predicted trees and their gold trees.

    Args:
        shared: brackets in both.
        predicted: brackets of the predicted trees.
        gold: brackets of the gold trees.
    """

    shared: int
    predicted: int
    gold: int

    def __add__(self, other: "Overlap") -> "Overlap":
        return Overlap(self.shared + other.shared, self.predicted + other.predicted, self.gold + other.gold)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, which is 2 shared / (predicted + gold), in [0, 1].

        Raises:
            ZeroDivisionError: neither side has a bracket.
        """
        return 2 * self.shared / (self.predicted + self.gold)


def overlap(predicted: set[Span], gold: set[Span]) -> Overlap:
    """Compare the brackets of two trees over the same words."""
    return Overlap(len(predicted & gold), len(predicted), len(gold))
