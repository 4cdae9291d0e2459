"""Syntactic distances to binary trees, by the authors' rule and by one that can reach every tree."""

import math
from collections.abc import Callable, Sequence

from app.common.errors import UserError
from app.parsing.trees import Tree


def build_tree(distances: Sequence[float], builder: str = "shen2018") -> Tree:
    """The binary tree over a sentence that its distances say.

    Linear in the number of words, and safe for sentences of any length.

    Args:
        distances: one value per word, taken when that word is read: high where a constituent begins.
        builder: one of `BUILDERS`.

    Returns:
        Nested pairs of word indices; 0 for a sentence of one word.

    Raises:
        UserError: no words, a distance that is not a number, or no such builder.
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

    The word i of greatest distance, the first of equals, makes (left of i, (w_i, right of i)), where an empty side is
    left out. What follows a left side thus begins with a word by itself: trees whose brackets hold `)((` are out of
    reach, and right-branching ones come up more often than others (Dyer et al. 2019).
    """
    # Words that wait for what is right of them: (distance, left of the word, the word). Distances fall along the
    # stack, so that each word stands in the right side of the one below it.
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
    """Split at the gap of greatest distance, the first of equals; the value of word i is that of the gap before it.

    The first word has no gap before it, and its distance says nothing. Every binary tree can be reached.
    """
    # Gaps that wait for what is right of them: (distance, left of the gap). Distances fall along the stack.
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
