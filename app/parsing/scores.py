"""Agreement of predicted trees with a treebank, by each of the conventions in the literature.

The conventions differ by ten points and more on short sentences, so each has its own name and none is just "F1".
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from app.common.errors import UserError
from app.parsing.brackets import Overlap, Span, brackets, overlap, words_in
from app.parsing.trees import GoldSentence, Tree

SHORT = 10  # most words of a sentence of WSJ10


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Agreement of predicted with gold trees, as fractions of 1; nan where there is nothing to average.

    A bracket spans two words or more; only `*_root` counts brackets around whole sentences.

    Args:
        sentences: number of sentences scored.
        sentence_f1: mean of the sentences' F1, as in the authors' script (Shen et al. 2018,
            `test_phrase_grammar.py`): 1 where neither tree has a bracket, so that sentences of one or two words count
            as right. The baselines in the paper's Table 2 follow this convention; of the models' numbers there the
            first author says that they are evalb's.
        sentence_f1_kim: the same without sentences of one word (Kim et al. 2019, `compare_trees.py`).
        corpus_f1: F1 of the brackets of all sentences together; sentences of one word have none.
        corpus_f1_root: the same with the brackets around whole sentences, as in evalb.
        depth: number of brackets around a word, averaged over the words of each predicted tree, then over trees.
        recall: for each label, cut at "-" or "=", the fraction of gold constituents that the prediction brackets;
            whole sentences count, as in the authors' `parse_comparison.py`. Labels are in alphabetical order; those
            that do not occur are left out.
    """

    sentences: int
    sentence_f1: float
    sentence_f1_kim: float
    corpus_f1: float
    corpus_f1_root: float
    depth: float
    recall: dict[str, float]


def score(predicted: Sequence[Tree], gold: Sequence[GoldSentence], *, max_words: int | None = None) -> Scores:
    """Score trees against a treebank.

    Args:
        predicted: one tree per sentence, in the same order.
        gold: the treebank's sentences.
        max_words: leave out longer sentences; None for no limit.

    Raises:
        UserError: the number of trees or the length of one differs from the treebank's.
    """
    _check(predicted, gold)
    chosen = [
        _Sentence(tree, sentence)
        for tree, sentence in zip(predicted, gold, strict=True)
        if max_words is None or len(sentence.words) <= max_words
    ]
    return Scores(
        sentences=len(chosen),
        sentence_f1=_mean(sentence.f1 for sentence in chosen),
        sentence_f1_kim=_mean(sentence.f1 for sentence in chosen if sentence.words > 1),
        corpus_f1=_pooled(sentence.inner for sentence in chosen),
        corpus_f1_root=_pooled(sentence.all for sentence in chosen),
        depth=_mean(sentence.depth for sentence in chosen),
        recall=_recall(chosen),
    )


def sentence_f1(predicted: Tree, gold: Tree) -> float:
    """F1 of one tree's brackets, without whole-sentence ones, as `Scores.sentence_f1` averages it.

    Args:
        predicted: over the words of `gold`; which of both is which does not matter.
        gold: the tree to compare with.
    """
    return _f1(inner_overlap(predicted, gold))


def inner_overlap(predicted: Tree, gold: Tree) -> Overlap:
    """The brackets of two trees, without the one around the whole sentence."""
    root = {(0, words_in(gold))}
    return overlap(brackets(predicted) - root, brackets(gold) - root)


def _f1(inner: Overlap) -> float:
    """F1 without whole-sentence brackets; 1 where neither tree has a bracket.

    The authors' script sets recall to 1 where the gold tree has no bracket, and precision to 1 where the prediction has
    none either; the F1 that follows differs from the formula only where neither has one.
    """
    return inner.f1 if inner.predicted or inner.gold else 1.0


class _Sentence:
    """The brackets of one sentence, with and without the one around the whole sentence."""

    def __init__(self, predicted: Tree, gold: GoldSentence) -> None:
        self.gold = gold
        self.words = len(gold.words)
        self.found = brackets(predicted)
        self.all = overlap(self.found, brackets(gold.tree))
        self.inner = inner_overlap(predicted, gold.tree)

    @property
    def f1(self) -> float:
        """F1 without whole-sentence brackets."""
        return _f1(self.inner)

    @property
    def depth(self) -> float:
        """Mean number of brackets around a word of the predicted tree: the sum of the spans' lengths over the words."""
        return sum(end - start for start, end in self.found) / self.words


def constituents(sentence: GoldSentence) -> set[tuple[str, Span]]:
    """The distinct pairs of label, cut at "-" or "=", and span; NP over NP with the same span is one."""
    return {(re.split("[-=]", label)[0] or label, (start, end)) for label, start, end in sentence.constituents}


def _recall(sentences: Iterable[_Sentence]) -> dict[str, float]:
    total, found = Counter[str](), Counter[str]()
    for sentence in sentences:
        for label, span in constituents(sentence.gold):
            total[label] += 1
            found[label] += span in sentence.found
    return {label: found[label] / count for label, count in sorted(total.items())}


def _mean(values: Iterable[float]) -> float:
    present = list(values)
    return fmean(present) if present else math.nan


def _pooled(overlaps: Iterable[Overlap]) -> float:
    pooled = sum(overlaps, Overlap(0, 0, 0))
    return pooled.f1 if pooled.predicted or pooled.gold else math.nan


def _check(predicted: Sequence[Tree], gold: Sequence[GoldSentence]) -> None:
    if len(predicted) != len(gold):
        raise UserError(f"{len(predicted):,} trees were predicted for {len(gold):,} sentences; each needs one")
    for number, (tree, sentence) in enumerate(zip(predicted, gold, strict=True), start=1):
        for words, whose in ((words_in(tree), "predicted"), (words_in(sentence.tree), "gold")):
            if words != len(sentence.words):
                raise UserError(
                    f"sentence {number}: its {whose} tree is over {words} words, but it has {len(sentence.words)}"
                )
