"""Computes the positions of a tree's brackets above its words."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.parsing.brackets import Span
from app.parsing.trees import CLOSE, OPEN, Tree, tokens

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Bracket:
    """One bracket of a tree, drawn as a bar above its children.

    Args:
        span: first word, word after the last.
        at: the middle of the bar: horizontal position, and level above the words.
        children: the positions of the words and brackets below it, from left to right; words are at level 0.
    """

    span: Span
    at: Point
    children: tuple[Point, ...]


def place(tree: Tree, centres: Sequence[float]) -> list[Bracket]:
    """Place a tree's brackets, each one level above its highest child.

    No line from a bar down to a child crosses another bar, because only descendants of a bracket are below its bar.

    Args:
        tree: over the words.
        centres: horizontal position of each word, ascending.

    Returns:
        Children before their parents; empty for a single word.
    """
    placed: list[Bracket] = []
    begun: list[tuple[int, list[Point]]] = [(0, [])]  # first word, children so far
    words = 0
    for token in tokens(tree):
        if token == OPEN:
            begun.append((words, []))
        elif token == CLOSE:
            start, children = begun.pop()
            level = 1 + max(level for _, level in children)
            at = ((children[0][0] + children[-1][0]) / 2, level)
            placed.append(Bracket((start, words), at, tuple(children)))
            begun[-1][1].append(at)
        else:
            begun[-1][1].append((centres[words], 0))
            words += 1
    return placed
