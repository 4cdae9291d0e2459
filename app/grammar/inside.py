"""The inside algorithm: the exact probability of a sentence under a grammar."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from app.grammar.pcfg import PCFG, Symbol

# C categories, W words of the grammar; J joins: right sides of two symbols or more, and their suffixes of that length.
# S sentences of n words; L the length of a span.

Array = npt.NDArray[np.float64]
Right = tuple[Symbol, ...]

_CHART_NUMBERS = 4_000_000  # 32 MB of chart; the number of sentences summed at once follows from it


class Inside:
    """Sums the probabilities of all derivations of a sentence (Baker 1979; Lari and Young 1990).

    A right side of more than two symbols is binarised into joins of its first symbol and the rest. With U[a, b] the
    probability of the unary rule a -> b, chains of unary rules, of any length and with cycles, are summed exactly by
    (I - U)^-1, which exists because sentences are finite. Every cell of the chart has its own scale, so that the
    probabilities of long sentences do not underflow.

    Args:
        grammar: one that `check` accepts.
    """

    def __init__(self, grammar: PCFG) -> None:
        categories = {category: index for index, category in enumerate(grammar.rules)}
        joins = {right: index for index, right in enumerate(_joins(grammar))}
        self._words = {word: index for index, word in enumerate(grammar.words)}
        unary = np.zeros((len(categories), len(categories)))
        to_word, to_join = np.zeros((len(categories), len(self._words))), np.zeros((len(categories), len(joins)))
        for rule in grammar:
            left, (name, is_word) = categories[rule.left], rule.right[0]
            if len(rule.right) > 1:
                to_join[left, joins[rule.right]] = rule.probability
            elif is_word:
                to_word[left, self._words[name]] = rule.probability
            else:
                unary[left, categories[name]] = rule.probability
        chains = np.linalg.inv(np.eye(len(unary)) - unary)
        # The probability that each category becomes a word, [W + 1, C], where the last row is for unknown words, or a
        # join, [J, C].
        self._of_word = np.pad((chains @ to_word).T, ((0, 1), (0, 0)))
        self._of_join = (chains @ to_join).T
        self._start = categories[grammar.start]

        # The index of each join's first symbol and rest in a cell, which holds C categories, J joins and a zero. Parts
        # that are a word point at the zero; their word numbers are in `_part_words`, -1 for other parts.
        nowhere = len(categories) + len(joins)
        places: dict[Right, int] = {(Symbol(name, False),): index for name, index in categories.items()}
        places |= {right: len(categories) + index for right, index in joins.items()}
        words: dict[Right, int] = {(Symbol(name, True),): index for name, index in self._words.items()}
        self._places = [np.array([places.get(part, nowhere) for part in side], np.intp) for side in _sides(joins)]
        self._part_words = [np.array([words.get(part, -1) for part in side], np.intp) for side in _sides(joins)]

    def log_probabilities(self, sentences: Iterable[Iterable[str]]) -> Array:
        """log p of each sentence, in nats: float64[number of sentences]; -inf where it has no derivation.

        Each distinct sentence is computed once. The time grows with the cube of a sentence's length.
        """
        numbers = [tuple(self._words.get(word, len(self._words)) for word in sentence) for sentence in sentences]
        by_length = defaultdict(list)
        for distinct in dict.fromkeys(numbers):
            by_length[len(distinct)].append(distinct)
        known = dict.fromkeys(by_length.pop(0, []), -np.inf)
        for length, group in by_length.items():
            at_once = max(1, _CHART_NUMBERS // (length * (length + 1) * max(1, len(self._of_join))))
            for begin in range(0, len(group), at_once):
                batch = group[begin : begin + at_once]
                known |= zip(batch, self._sum(np.array(batch)).tolist(), strict=True)
        return np.array([known[sentence] for sentence in numbers], dtype=np.float64)

    def _sum(self, words: npt.NDArray[np.int64]) -> Array:
        """log p of sentences of equal length: int64[S, n] to float64[S]."""
        made = self._of_word[words]
        scale = np.zeros(words.shape)
        sides = self._gather(made, np.zeros((*words.shape, len(self._of_join))))
        for side, part_words in zip(sides, self._part_words, strict=True):
            side += part_words == words[..., None]
        # One entry per span length L: [S, n-L+1, J], and the logarithms of the scales, [S, n-L+1].
        firsts, rests, scales = [sides[0]], [sides[1]], [scale]
        for length in range(2, words.shape[1] + 1):
            joined, scale = _join(firsts, rests, scales, spans=words.shape[1] - length + 1)
            made = joined @ self._of_join
            for chart, side in zip((firsts, rests), self._gather(made, joined), strict=True):
                chart.append(side)
            scales.append(scale)
        return _log(made[:, 0, self._start]) + scale[:, 0]

    def _gather(self, made: Array, joined: Array) -> list[Array]:
        """The values of cells as the first symbol and as the rest of each join: [S, spans, J] each."""
        cells = np.concatenate([made, joined, np.zeros((*made.shape[:-1], 1))], axis=-1)
        return [cells.take(places, axis=-1) for places in self._places]


def _join(firsts: list[Array], rests: list[Array], scales: list[Array], *, spans: int) -> tuple[Array, Array]:
    """Sum over the split points of the spans of the next length: [S, spans, J], and the log scales [S, spans]."""
    parts = list(zip(range(1, len(firsts) + 1), reversed(range(len(firsts))), strict=True))
    logs = np.stack([scales[left - 1][:, :spans] + scales[rest][:, left : left + spans] for left, rest in parts])
    top = logs.max(axis=0)
    top[np.isneginf(top)] = 0.0
    joined = np.zeros((*top.shape, firsts[0].shape[-1]))
    for (left, rest), weight in zip(parts, np.exp(logs - top)[..., None], strict=True):
        joined += weight * firsts[left - 1][:, :spans] * rests[rest][:, left : left + spans]
    peak = joined.max(axis=-1, initial=0.0)
    return joined / np.where(peak > 0, peak, 1.0)[..., None], top + _log(peak)


def _joins(grammar: PCFG) -> dict[Right, None]:
    """Every right side of two symbols or more, and every suffix of one with two symbols or more."""
    return {rule.right[begin:]: None for rule in grammar for begin in range(len(rule.right) - 1)}


def _sides(joins: Iterable[Right]) -> tuple[list[Right], list[Right]]:
    """The first symbol of each join, and the rest of each."""
    return [right[:1] for right in joins], [right[1:] for right in joins]


def _log(values: Array) -> Array:
    """The logarithm, without a warning where it is -inf."""
    with np.errstate(divide="ignore"):
        return np.log(values)
