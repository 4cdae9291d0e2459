"""The tree on which several predicted trees of a sentence agree most, and how far trees agree with each other."""

# n words of a sentence; a span of length m begins at word i.

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean

import numpy as np
import numpy.typing as npt

from app.common.errors import UserError
from app.parsing.brackets import brackets, words_in
from app.parsing.scores import sentence_f1
from app.parsing.trees import Tree

Spans = npt.NDArray[np.int64]


def agreed_tree(trees: Sequence[Tree]) -> Tree:
    """The binary tree whose brackets are in as many of the given trees as possible, summed over its brackets.

    Minimum Bayes risk: where the given trees are binary too, every pair of trees has the same number of brackets, so it
    is the tree of the highest mean F1 with them (as for parsers by Goodman 1996). Found in O(n^3) by dynamic
    programming. Of splits that are equally good the one nearest to the middle is taken, then the left one.

    Args:
        trees: one or more of one sentence; each counts once.

    Raises:
        UserError: there are none, or they are over different numbers of words.
    """
    if not trees:
        raise UserError("there are no trees to agree")
    words = words_in(trees[0])
    if any(words_in(tree) != words for tree in trees):
        raise UserError("the trees are over different numbers of words")
    # By length of the span, one entry for each first word: how many trees have the bracket, and the best sum below it.
    counts: list[Spans] = [np.zeros(max(0, words - length + 1), np.int64) for length in range(words + 1)]
    for tree in trees:
        for start, end in brackets(tree):
            counts[end - start][start] += 1
    best, split = [np.zeros(words + 1, np.int64), counts[1]], [counts[0], counts[1]]
    for length in range(2, words + 1):
        spans = words - length + 1
        sums, chosen = np.full(spans, -1), np.zeros(spans, np.int64)
        for left in sorted(range(1, length), key=lambda left: (abs(2 * left - length), left)):
            found = best[left][:spans] + best[length - left][left : left + spans]
            better = found > sums
            sums[better], chosen[better] = found[better], left
        best.append(sums + counts[length])
        split.append(chosen)
    return _tree(split, words)


def _tree(split: Sequence[Spans], words: int) -> Tree:
    """The tree of the splits, by length of a span and its first word; not recursive, since trees may be deep."""
    made: list[Tree] = []
    ahead: list[tuple[int, int] | None] = [(0, words)]
    while ahead:
        span = ahead.pop()
        if span is None:
            right = made.pop()
            made.append((made.pop(), right))
        elif span[1] == 1:
            made.append(span[0])
        else:
            start, length = span
            left = int(split[length][start])
            ahead += [None, (start + left, length - left), (start, left)]
    return made[0]


def best_voters(predictions: Sequence[Sequence[Tree]], gold: Sequence[Tree]) -> list[int]:
    """Which predictions to let agree, by validation trees alone: the k best, for the k whose agreement is best.

    Votes are equal, so that many poor predictions outvote a few good ones; of an ensemble only the members are
    taken that are best on validation data (Caruana et al. 2004, "sorted initialization", without their hill climbing).

    Args:
        predictions: of the validation sentences, each with a tree for every one.
        gold: the validation trees.

    Returns:
        The numbers of the predictions, the best first; of equally good ones the first, and the fewest.
    """

    def f1(trees: Sequence[Tree]) -> float:
        return fmean(sentence_f1(ours, theirs) for ours, theirs in zip(trees, gold, strict=True))

    own = [f1(trees) for trees in predictions]
    ranked = sorted(range(len(predictions)), key=lambda number: -own[number])
    found = {1: own[ranked[0]]}
    for most in range(2, len(ranked) + 1):
        voters = [predictions[number] for number in ranked[:most]]
        found[most] = f1([agreed_tree(trees) for trees in zip(*voters, strict=True)])
    return ranked[: max(found, key=found.__getitem__)]


def self_f1(predictions: Sequence[Sequence[Tree]]) -> float:
    """How far predictions agree: the mean over pairs of them of the mean F1 of their trees, as a fraction of 1.

    F1 as `Scores.sentence_f1`: without the bracket around the whole sentence; 1 where neither tree has another.

    Args:
        predictions: two or more, each with a tree for every sentence.
    """
    return fmean(
        sentence_f1(ours, theirs)
        for one, other in combinations(predictions, 2)
        for ours, theirs in zip(one, other, strict=True)
    )
