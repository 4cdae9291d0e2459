"""Paired bootstrap over sentences: whether two predictions differ by more than the choice of the sentences explains."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.common.errors import UserError
from app.parsing.scores import inner_overlap, sentence_f1
from app.parsing.trees import GoldSentence, Tree

MEASURES = ("sentence_f1", "corpus_f1")
SAMPLES = 10_000
_AT_ONCE = 1 << 22  # numbers drawn at once

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """The first prediction's measure minus the second's, in fractions of 1.

    Args:
        first: of the first prediction.
        second: of the second.
        difference: first minus second.
        low: of the 95 % interval, the 2.5 % quantile of the samples' differences.
        high: the 97.5 % quantile.
        p: the share of samples whose difference is as far from the observed one as that is from 0, the observed sample
            counted in; two-sided.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float


def paired_bootstrap(
    first: Sequence[Tree],
    second: Sequence[Tree],
    gold: Sequence[GoldSentence],
    *,
    samples: int = SAMPLES,
    seed: int = 0,
) -> dict[str, PairedDifference]:
    """Compare two predictions for the same sentences (Efron & Tibshirani 1993; p as Berg-Kirkpatrick et al. 2012).

    Each sample draws as many sentences as there are, with replacement, the same ones for both predictions.

    Args:
        first: a tree for each sentence.
        second: the other prediction.
        gold: the sentences.
        samples: number of samples, 100 or more.
        seed: of the draws; the same gives the same result.

    Returns:
        The differences of `MEASURES`, as in `Scores`: the mean of the sentences' F1, and the F1 of all brackets.

    Raises:
        UserError: too few samples, or neither prediction nor the gold trees have a bracket within a sentence.
    """
    if samples < 100:
        raise UserError(f"--samples is {samples}; an interval of 95 % needs 100 or more")
    columns = _columns(first, second, gold)
    if not columns[:, 2:].any():
        raise UserError("no sentence has a bracket within it, so there is nothing to compare")
    observed = _measures(columns.sum(0, keepdims=True), len(gold))[0]
    draw = np.random.default_rng(seed)
    found = []
    block = max(1, _AT_ONCE // len(gold))
    for start in range(0, samples, block):
        chosen = draw.integers(len(gold), size=(min(block, samples - start), len(gold)))
        sums = np.stack([column[chosen].sum(1) for column in columns.T], axis=1)
        found.append(_measures(sums, len(gold)))
    both = np.concatenate(found)
    result = {}
    for number, name in enumerate(MEASURES):
        ours, theirs = observed[2 * number], observed[2 * number + 1]
        differences, difference = both[:, 2 * number] - both[:, 2 * number + 1], ours - theirs
        low, high = np.quantile(differences, (0.025, 0.975))
        # Rounding must not decide where differences are equal.
        far = np.abs(differences - difference) >= abs(difference) - 1e-12
        result[name] = PairedDifference(
            first=float(ours),
            second=float(theirs),
            difference=float(difference),
            low=float(low),
            high=float(high),
            p=(int(far.sum()) + 1) / (samples + 1),
        )
    return result


def _columns(first: Sequence[Tree], second: Sequence[Tree], gold: Sequence[GoldSentence]) -> Floats:
    """Of each sentence: F1 of both, brackets shared by each with gold, and brackets of each and gold together."""
    rows = []
    for ours, theirs, sentence in zip(first, second, gold, strict=True):
        counts = [inner_overlap(tree, sentence.tree) for tree in (ours, theirs)]
        rows.append(
            [
                *(sentence_f1(tree, sentence.tree) for tree in (ours, theirs)),
                *(each.shared for each in counts),
                *(each.predicted + each.gold for each in counts),
            ]
        )
    return np.array(rows, np.float64)


def _measures(sums: Floats, sentences: int) -> Floats:
    """Mean F1 of both and corpus F1 of both, from sums of `_columns`: (samples, 6) to (samples, 4)."""
    means = sums[:, :2] / sentences
    # Of sentences without any bracket nothing is shared; where none is drawn with one, both are 0.
    corpus = 2 * sums[:, 2:4] / np.maximum(sums[:, 4:], 1)
    return np.concatenate((means, corpus), axis=1)
