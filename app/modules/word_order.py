"""Whether the words of a vocabulary are in the order that an adaptive softmax is made for."""

import warnings

from torch import Tensor

from app.nets.adaptive_softmax import AdaptiveSoftmax
from app.nets.decoder import Decoder

SPECIALS = 2  # <unk> and <eos> come first in most vocabularies, however rare they are
SHARE = 0.95  # of what the most frequent words would cover


def warn_of_order(decoder: Decoder, counts: Tensor | None) -> None:
    """Warn where the words that an adaptive softmax predicts at once are not the frequent ones.

    Probabilities are right in any order; but then more predictions need a cluster, which takes time, and frequent words
    have few features.

    Args:
        decoder: of V words.
        counts: int64 (V,), how often each word occurs in the training text; None where the data does not say.
    """
    if not isinstance(decoder, AdaptiveSoftmax) or counts is None:
        return
    size, total = decoder.shortlist_size, int(counts.sum())
    first = int(counts[:size].sum())
    best = int(counts.sort(descending=True).values[: max(size - SPECIALS, 0)].sum())
    if first < SHARE * best:
        warnings.warn(
            f"the vocabulary is not sorted by frequency: its first {size:,} words are {first / total:.0%} of the "
            f"training text, the most frequent {max(size - SPECIALS, 0):,} are {best / total:.0%}; the adaptive "
            "softmax is right, but slower and less exact than with a sorted vocabulary",
            stacklevel=2,
        )
