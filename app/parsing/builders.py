"""Builds binary trees from syntactic distances, by the authors' rule and by one that can produce every binary tree."""

import math
from collections.abc import Callable, Sequence

from app.common.errors import UserError
from app.parsing.trees import Tree


def build_tree(distances: Sequence[float], builder: str = "shen2018") -> Tree:
    """Build the binary tree of a sentence from its syntactic distances.

    Takes linear time and does not recurse, so it is safe for sentences of any length.

    Args:
        distances: one value per word, computed when that word is read; high where a constituent begins.
        builder: one of `BUILDERS`.

    Returns:
        Nested pairs of word indices; 0 for a sentence of one word.

    Raises:
        UserError: no words, a distance that is nan, or an unknown builder.
    """
    if builder not in BUILDERS:
        raise UserError(f"builder is {builder!r}; expected one of {', '.join(BUILDERS)}")
    values = [float(distance) for distance in distances]
    if not values:
        raise UserError("a tree needs at least one word, and there are no distances")
    for word, value in enumerate(values):
        if math.isnan(value):
            raise UserError(f"the distance of word {word + 1} of {len(values)} is nan; has the model diverged?")
    return BUILDERS[builder](values)


def _shen2018(distances: Sequence[float]) -> Tree:
    """The authors' greedy rule (Shen et al. 2018, their `test_phrase_grammar.py`).

    The word i with the greatest distance, the first one of ties, gives (left of i, (w_i, right of i)), where an empty
    side is left out. The part after a left side therefore always begins with a single word: trees whose brackets
    contain `)((` cannot be produced, and right-branching trees are more frequent than others (Dyer et al. 2019).
    """
    # Words whose right side is not complete yet: (distance, left of the word, the word). Distances decrease along the
    # stack: each word is in the right side of the word below it.
    waiting: list[tuple[float, Tree | None, int]] = []

    def close(right: Tree | None) -> Tree:
        _, left, word = waiting.pop()
        head = _pair(word, right)
        return head if left is None else (left, head)

    for word, distance in enumerate(distances):
        left: Tree | None = None
        while waiting and waiting[-1][0] < distance:
            left = close(left)
        waiting.append((distance, left, word))
    tree = close(None)
    while waiting:
        tree = close(tree)
    return tree


def _pair(word: int, right: Tree | None) -> Tree:
    return word if right is None else (word, right)


def _between_words(distances: Sequence[float]) -> Tree:
    """Split at the gap with the greatest distance, the first one of ties; the value of word i is the gap before it.

    The first word has no gap before it, so its distance is not used. Every binary tree can be produced.
    """
    # Gaps whose right side is not complete yet: (distance, left of the gap). Distances decrease along the stack.
    waiting: list[tuple[float, Tree]] = []
    tree: Tree = 0
    for word, distance in enumerate(distances[1:], start=1):
        while waiting and waiting[-1][0] < distance:
            tree = (waiting.pop()[1], tree)
        waiting.append((distance, tree))
        tree = word
    while waiting:
        tree = (waiting.pop()[1], tree)
    return tree


BUILDERS: dict[str, Callable[[Sequence[float]], Tree]] = {"shen2018": _shen2018, "between_words": _between_words}
