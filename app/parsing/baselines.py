"""Trees that nothing was learned for: what a model's scores are to be compared with."""

import random
from collections.abc import Callable, Sequence
from functools import reduce

from app.parsing.builders import build_tree
from app.parsing.trees import GoldSentence, Tree, from_tokens, tokens

Baseline = Callable[[GoldSentence, random.Random], Tree]


def right_branching(words: int) -> Tree:
    """(0, (1, (2, 3))): every word with all that follows it."""
    return _chain_to_the_right(range(words))


def left_branching(words: int) -> Tree:
    """(((0, 1), 2), 3): every word with all that precedes it."""
    tree: Tree = 0
    for word in range(1, words):
        tree = (tree, word)
    return tree


def balanced(words: int) -> Tree:
    """Halved again and again; of an odd number of words the left half has the smaller part."""
    return _halved(0, words)


def random_merges(words: int, draw: random.Random) -> Tree:
    """Two neighbours, drawn evenly from all pairs of neighbours, become one until one is left.

    Trees that can be put together in more orders come up more often: it is not an even draw from all trees, but just
    what `between_words` makes of independent distances.
    """
    nodes: list[Tree] = list(range(words))
    while len(nodes) > 1:
        at = draw.randrange(len(nodes) - 1)
        nodes[at : at + 2] = [(nodes[at], nodes[at + 1])]
    return nodes[0]


def random_depths(words: int, draw: random.Random, *, builder: str = "shen2018") -> Tree:
    """What a builder makes of independent distances: what it leans to by itself, without a model."""
    return build_tree([draw.random() for _ in range(words)], builder)


def binary_oracle(tree: Tree) -> Tree:
    """The gold tree with nodes of more than two children split to the right: no binary tree scores higher.

    It has every bracket of the gold tree, and the number of brackets of a binary tree is given by its words.
    """
    return from_tokens(tokens(tree), _chain_to_the_right)


def _chain_to_the_right(trees: Sequence[Tree]) -> Tree:
    """(a, (b, (c, d))) of trees a, b, c, d."""
    return reduce(lambda chain, tree: (tree, chain), reversed(trees))


def _halved(start: int, end: int) -> Tree:
    """The balanced tree over words start to end, end exclusive; as deep as the logarithm of their number."""
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
    """One tree per sentence.

    Args:
        name: one of `BASELINES`.
        gold: the sentences; only the oracle looks at their trees.
        seed: where random trees are drawn from, each baseline by itself.
    """
    from app.common.seeds import derive_seed  # torch comes with it, and scoring two files of trees needs none

    draw = random.Random(derive_seed(seed, 0, f"baseline {name}"))
    return [BASELINES[name](sentence, draw) for sentence in gold]
