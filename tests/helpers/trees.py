"""Trees for tests, by plain recursion, which the code under test avoids."""

import random
from functools import cache

from hypothesis import strategies as st

from app.parsing.trees import Tree


def spell(tree: Tree) -> str:
    """Brackets alone, a dot for every word: ((..)(..))."""
    return f"({''.join(map(spell, tree))})" if isinstance(tree, tuple) else "."


def leaves(tree: Tree) -> list[int]:
    return [leaf for child in tree for leaf in leaves(child)] if isinstance(tree, tuple) else [tree]


def spans(tree: Tree) -> list[tuple[int, int]]:
    """Of every node with children, the root first."""
    if not isinstance(tree, tuple):
        return []
    return [(leaves(tree)[0], leaves(tree)[-1] + 1), *(span for child in tree for span in spans(child))]


def depths(tree: Tree, above: int = 0) -> list[int]:
    """Of every word."""
    return [d for child in tree for d in depths(child, above + 1)] if isinstance(tree, tuple) else [above]


def is_binary(tree: Tree) -> bool:
    return not isinstance(tree, tuple) or (len(tree) == 2 and all(map(is_binary, tree)))


@cache
def binary_trees(start: int, end: int) -> tuple[Tree, ...]:
    """All of them over words start to end, end exclusive."""
    if end - start == 1:
        return (start,)
    return tuple(
        (left, right)
        for middle in range(start + 1, end)
        for left in binary_trees(start, middle)
        for right in binary_trees(middle, end)
    )


def some_tree(words: int, seed: int) -> Tree:
    """A tree with any numbers of children, drawn from a seed."""
    draw = random.Random(seed)

    def over(start: int, end: int) -> Tree:
        if end - start == 1:
            return start
        cuts = sorted(draw.sample(range(start + 1, end), draw.randint(1, end - start - 1)))
        return tuple(over(*part) for part in zip([start, *cuts], [*cuts, end], strict=True))

    return over(0, words)


def zigzag(words: int) -> Tree:
    """As deep as can be, to the left and to the right by turns: ((0, (1, 2)), 3)."""
    start = end = (words - 1) // 2
    tree: Tree = start
    for step in range(words - 1):
        if step % 2:
            start -= 1
            tree = (start, tree)
        else:
            end += 1
            tree = (tree, end)
    return tree


seeds = st.integers(0, 2**32 - 1)
trees = st.builds(some_tree, st.integers(1, 12), seeds)
pairs = st.builds(
    lambda words, one, other: (some_tree(words, one), some_tree(words, other)), st.integers(1, 9), seeds, seeds
)
