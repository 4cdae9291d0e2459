"""Sentences that begin alike, read together: what a language model must read and predict, each thing once."""

# S sentences of one block, N of its beginnings of some length, M of them with one word more.

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


class Step(NamedTuple):
    """All beginnings of one length in a block, and the words after them.

    Args:
        parent: [N], which beginning of the step before each one goes on from.
        word: [N], its last word, read in this step; at the first step the start of all sentences.
        context: [M], after which beginning a word is predicted, in ascending order.
        target: [M], the word predicted.
        sentence: [S'], the sentences of the block that go on in this step.
        prediction: [S'], which of the M predictions is theirs.
    """

    parent: Numbers
    word: Numbers
    context: Numbers
    target: Numbers
    sentence: Numbers
    prediction: Numbers


def steps(sentences: Sequence[Sequence[int]], *, start: int) -> Iterator[Step]:
    """How to read a block of sentences with nothing read or predicted twice.

    Args:
        sentences: numbers of words, one or more each, in ascending order, so that equal beginnings are neighbours.
        start: the word read before the first one of each.
    """
    lengths = np.array([len(sentence) for sentence in sentences])
    words = np.full((len(sentences), lengths.max()), -1)  # below every word, as a shorter sentence comes first
    for row, sentence in zip(words, sentences, strict=True):
        row[: len(sentence)] = sentence
    # Whether a sentence differs from its neighbour above within so many words: there a new beginning starts.
    differs = np.ones_like(words, dtype=bool)
    differs[1:] = np.logical_or.accumulate(words[1:] != words[:-1], axis=1)
    parent_of, last = np.zeros(len(sentences), np.int64), np.full(len(sentences), start)
    begins = np.arange(len(sentences)) == 0
    for depth in range(words.shape[1]):
        going_on = np.flatnonzero(lengths > depth)
        # Of the sentences that go on, which are the first of their beginning, and of that with one word more.
        new, new_next = _firsts(begins, going_on), _firsts(differs[:, depth], going_on)
        beginning, prediction = np.cumsum(new) - 1, np.cumsum(new_next) - 1
        heads, tails = going_on[new], going_on[new_next]
        yield Step(parent_of[heads], last[heads], beginning[new_next], words[tails, depth], going_on, prediction)
        parent_of[going_on], last, begins = beginning, words[:, depth], differs[:, depth]


def _firsts(begins: npt.NDArray[np.bool_], chosen: Numbers) -> npt.NDArray[np.bool_]:
    """Of sentences chosen from a block, which have another beginning than the one chosen before."""
    group = np.cumsum(begins)[chosen]
    return np.asarray(np.diff(group, prepend=-1) != 0)
