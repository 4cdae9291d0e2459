"""Plans how a language model reads many sentences so that every common prefix is read and predicted once."""

# S sentences of a block, N different prefixes of the current length, M different prefixes with one word more.

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


class Step(NamedTuple):
    """All prefixes of one length in a block, and the words that follow them.

    Args:
        parent: (N,), for each prefix the index of the prefix one word shorter, in the step before.
        word: (N,), the last word of each prefix, read in this step; at the first step the start symbol.
        context: (M,), the index of the prefix after which a word is predicted, ascending.
        target: (M,), the word predicted.
        sentence: (S',), the sentences of the block that have a word at this position.
        prediction: (S',), the index of each one's prediction among the M.
    """

    parent: Numbers
    word: Numbers
    context: Numbers
    target: Numbers
    sentence: Numbers
    prediction: Numbers


def steps(sentences: Sequence[Sequence[int]], *, start: int) -> Iterator[Step]:
    """Plan the steps that read a block of sentences without reading or predicting anything twice.

    Args:
        sentences: word ids, one or more each, in ascending order, so that sentences with equal prefixes are neighbours.
        start: the word read before the first word of each sentence.
    """
    lengths = np.array([len(sentence) for sentence in sentences])
    words = np.full((len(sentences), lengths.max()), -1)  # less than every id, as a shorter sentence sorts first
    for row, sentence in zip(words, sentences, strict=True):
        row[: len(sentence)] = sentence
    # differs[i, d]: whether sentence i starts a new prefix of d + 1 words, i.e. differs in it from sentence i - 1.
    differs = np.ones_like(words, dtype=bool)
    differs[1:] = np.logical_or.accumulate(words[1:] != words[:-1], axis=1)
    parent_of, last = np.zeros(len(sentences), np.int64), np.full(len(sentences), start)
    begins = np.arange(len(sentences)) == 0
    for depth in range(words.shape[1]):
        remaining = np.flatnonzero(lengths > depth)
        # Which of the remaining sentences come first among those of equal prefix, and of equal prefix and next word.
        new, new_next = _firsts(begins, remaining), _firsts(differs[:, depth], remaining)
        beginning, prediction = np.cumsum(new) - 1, np.cumsum(new_next) - 1
        heads, tails = remaining[new], remaining[new_next]
        yield Step(parent_of[heads], last[heads], beginning[new_next], words[tails, depth], remaining, prediction)
        parent_of[remaining], last, begins = beginning, words[:, depth], differs[:, depth]


def _firsts(begins: npt.NDArray[np.bool_], chosen: Numbers) -> npt.NDArray[np.bool_]:
    """Which of the chosen sentences have another prefix than the one chosen before."""
    group = np.cumsum(begins)[chosen]
    return np.asarray(np.diff(group, prepend=-1) != 0)
