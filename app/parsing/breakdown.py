"""Recall by label and by length of constituents, and F1 by length of sentences."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.parsing.brackets import brackets
from app.parsing.scores import constituents, sentence_f1
from app.parsing.trees import GoldSentence, Tree

# First and last length in words of each group; of constituents, and of sentences.
SPANS = ((2, 2), (3, 3), (4, 5), (6, 10), (11, 20), (21, None))
SENTENCES = ((1, 10), (11, 20), (21, 30), (31, 40), (41, None))


@dataclass(frozen=True, slots=True)
class Recall:
    """How many constituents of a kind there are, and how many of them a prediction brackets."""

    found: int
    total: int

    @property
    def recall(self) -> float:
        """Fraction of 1; there is at least one."""
        return self.found / self.total


@dataclass(frozen=True, slots=True)
class OfLength:
    """Sentences of some lengths: how many there are, and the mean of their F1."""

    sentences: int
    sentence_f1: float


def by_label(predicted: Sequence[Tree], gold: Sequence[GoldSentence]) -> dict[str, Recall]:
    """Recall of the gold constituents of two words or more by label, as in `Scores.recall`; frequent labels first.

    Whole sentences count; the same label twice over the same words is one.
    """
    found, total = Counter[str](), Counter[str]()
    for tree, sentence in zip(predicted, gold, strict=True):
        spans = brackets(tree)
        for label, span in constituents(sentence):
            total[label] += 1
            found[label] += span in spans
    return {label: Recall(found[label], total[label]) for label in sorted(total, key=lambda each: (-total[each], each))}


def by_length(predicted: Sequence[Tree], gold: Sequence[GoldSentence]) -> dict[str, Recall]:
    """Recall of the gold brackets by their length in words; whole sentences do not count."""
    found, total = Counter[str](), Counter[str]()
    for tree, sentence in zip(predicted, gold, strict=True):
        spans = brackets(tree)
        for start, end in brackets(sentence.tree) - {(0, len(sentence.words))}:
            group = _group(end - start, SPANS)
            total[group] += 1
            found[group] += (start, end) in spans
    return {name: Recall(found[name], total[name]) for name in _names(SPANS) if total[name]}


def by_sentence_length(predicted: Sequence[Tree], gold: Sequence[GoldSentence]) -> dict[str, OfLength]:
    """Mean F1 of the sentences, as `Scores.sentence_f1`, by their length in words."""
    scores: dict[str, list[float]] = {}
    for tree, sentence in zip(predicted, gold, strict=True):
        scores.setdefault(_group(len(sentence.words), SENTENCES), []).append(sentence_f1(tree, sentence.tree))
    return {
        name: OfLength(len(values), sum(values) / len(values))
        for name, values in ((name, scores.get(name, [])) for name in _names(SENTENCES))
        if values
    }


def _group(length: int, groups: Iterable[tuple[int, int | None]]) -> str:
    return next(_name(first, last) for first, last in groups if last is None or length <= last)


def _names(groups: Iterable[tuple[int, int | None]]) -> list[str]:
    return [_name(*group) for group in groups]


def _name(first: int, last: int | None) -> str:
    if last is None:
        return f"{first} and more"
    return str(first) if first == last else f"{first}-{last}"
