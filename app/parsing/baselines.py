"""Baseline trees, which need no model, to compare a model's scores with."""

import random
from collections.abc import Callable, Sequence
from functools import reduce

from app.parsing.builders import build_tree
from app.parsing.trees import GoldSentence, Tree, from_tokens, tokens

Baseline = Callable[[GoldSentence, random.Random], Tree]


def right_branching(words: int) -> Tree:
    """(0, (1, (2, 3))): each word is joined with everything after it."""
    return _chain_to_the_right(range(words))


def left_branching(words: int) -> Tree:
    """(((0, 1), 2), 3): each word is joined with everything before it."""
    tree: Tree = 0
    for word in range(1, words):
        tree = (tree, word)
    return tree


def balanced(words: int) -> Tree:
    """Split in half recursively; the left half of an odd number of words is the smaller one."""
    return _halved(0, words)


def random_merges(words: int, draw: random.Random) -> Tree:
    """Merge two neighbours, chosen uniformly among all pairs of neighbours, until one node is left.

    Trees that can be built in more orders are more probable, so this does not sample trees uniformly; it is the
    distribution of `between_words` on independent distances.
    """
    nodes: list[Tree] = list(range(words))
    while len(nodes) > 1:
        at = draw.randrange(len(nodes) - 1)
        nodes[at : at + 2] = [(nodes[at], nodes[at + 1])]
    return nodes[0]


def random_depths(words: int, draw: random.Random, *, builder: str = "shen2018") -> Tree:
    """The tree that a builder makes from independent distances: the builder's own bias, without a model."""
    return build_tree([draw.random() for _ in range(words)], builder)


def binary_oracle(tree: Tree) -> Tree:
    """The gold tree with nodes of more than two children split to the right; no binary tree scores higher.

    It has every bracket of the gold tree, and all binary trees over a sentence have the same number of brackets.
    """
    return from_tokens(tokens(tree), _chain_to_the_right)


def _chain_to_the_right(trees: Sequence[Tree]) -> Tree:
    """(a, (b, (c, d))) of trees a, b, c, d."""
    return reduce(lambda chain, tree: (tree, chain), reversed(trees))


def _halved(start: int, end: int) -> Tree:
    """The balanced tree over the words from start to end, end exclusive; its depth is logarithmic."""
    if end - start == 1:
        return start
    middle = start + (end - start) // 2
    return _halved(start, middle), _halved(middle, end)


BASELINES: dict[str, Baseline] = {
    "left-branching": lambda sentence, draw: left_branching(len(sentence.words)),
    "right-branching": lambda sentence, draw: right_branching(len(sentence.words)),
    "balanced": lambda sentence, draw: balanced(len(sentence.words)),
    "random merges": lambda sentence, draw: random_merges(len(sentence.words), draw),
    "random depths": lambda sentence, draw: random_depths(len(sentence.words), draw),
    "binary oracle": lambda sentence, draw: binary_oracle(sentence.tree),
}


def baseline_trees(name: str, gold: Sequence[GoldSentence], *, seed: int = 0) -> list[Tree]:
    """The trees of one baseline, one per sentence.

    Args:
        name: one of `BASELINES`.
        gold: the sentences; only the oracle uses their trees.
        seed: of the random trees; each baseline has its own random numbers.
    """
    from app.common.seeds import derive_seed  # imports torch, which scoring two tree files does not need

    draw = random.Random(derive_seed(seed, 0, f"baseline {name}"))
    return [BASELINES[name](sentence, draw) for sentence in gold]
