"""The adaptive softmax of Grave et al. (2017, arXiv 1609.04309) by torch, for vocabularies sorted by frequency."""

# N predictions, D features, V words, C clusters.

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from app.common.errors import UserError

DIVISION = 4  # each cluster of rarer words has so many times fewer features than the one before; torch's default
# Where clusters begin, as shares of the vocabulary: about where those of AWD-LSTM do for WikiText-103, whose cutoffs
# are 2,800, 20,000 and 76,000 of 267,735 words.
SHARES = (0.01, 0.08, 0.3)


def automatic_cutoffs(words: int, features: int) -> list[int]:
    """Numbers of the words with which clusters begin: 1, 8 and 30 % of the vocabulary, as far as there are features.

    Args:
        words: V.
        features: D.

    Returns:
        At least one and at most three numbers, ascending, from 1 to V - 1.

    Raises:
        UserError: V or D is too small for a single cluster.
    """
    if words < 2 or features < DIVISION:
        raise UserError(
            f"an adaptive softmax of {words:,} words and {features} features has no cluster; expected 2 words and "
            f"{DIVISION} features or more"
        )
    most = next(count for count in (3, 2, 1) if features >= DIVISION**count)
    return sorted({min(max(round(share * words), 1), words - 1) for share in SHARES[:most]})


class TiedHead(nn.Module):
    """The most frequent words' scores by rows of the embedding, and clusters' scores by rows of its own.

    Args:
        embedding: of D features, whose first rows are used; the parameter stays shared.
        words: how many of its rows are used.
        clusters: C.
    """

    def __init__(self, embedding: nn.Embedding, words: int, clusters: int) -> None:
        super().__init__()
        self.words = words
        self.weight = embedding.weight
        self.clusters = nn.Parameter(embedding.weight.new_empty(clusters, embedding.embedding_dim))
        self.bias = nn.Parameter(embedding.weight.new_zeros(words + clusters))

    def forward(self, hidden: Tensor) -> Tensor:
        """Scores of the words, then of the clusters: from (N, D) to (N, words + C)."""
        return F.linear(hidden, torch.cat([self.weight[: self.words], self.clusters]), self.bias)


class AdaptiveSoftmax(nn.AdaptiveLogSoftmaxWithLoss):
    """An adaptive softmax: frequent words are predicted at once, others after their cluster.

    The vocabulary is to be sorted by frequency. Words of cluster i, counted from 1, are scored from D / 4^i features
    without a bias. Products are in the precision of the weights, also under autocast.

    Args:
        features: D.
        words: V.
        cutoffs: numbers of the words with which clusters begin; `automatic_cutoffs` where it is left out.
        embedding: of V words and D features, whose first rows score the frequent words; None for weights of its own.
            Clusters, and the words in them, always have weights of their own, since they have fewer features.

    Raises:
        UserError: cutoffs that are not ascending numbers from 1 to V - 1, or more clusters than features allow.
    """

    def __init__(
        self, features: int, words: int, cutoffs: Sequence[int] | None = None, embedding: nn.Embedding | None = None
    ) -> None:
        if cutoffs is None:
            cutoffs = automatic_cutoffs(words, features)
        elif not cutoffs or list(cutoffs) != sorted(set(cutoffs)) or not 1 <= cutoffs[0] <= cutoffs[-1] < words:
            raise UserError(f"softmax_cutoffs is {list(cutoffs)}; expected ascending numbers from 1 to {words - 1:,}")
        elif features < DIVISION ** len(cutoffs):
            raise UserError(
                f"softmax_cutoffs makes {len(cutoffs)} clusters, the last of {features} / {DIVISION}^{len(cutoffs)} "
                "features, which is less than one; name fewer cutoffs"
            )
        super().__init__(features, words, cutoffs, div_value=float(DIVISION), head_bias=True)
        if embedding is not None:
            self.head = TiedHead(embedding, self.shortlist_size, self.n_clusters)  # type: ignore[assignment]

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy.

        Args:
            hidden: (N, D).
            targets: int64 (N,).

        Returns:
            A scalar, in nats per prediction. Every weight has a gradient, of zeros where no word of its cluster is
            among the targets: all processes that share a training have the same parameters then.
        """
        with torch.autocast(hidden.device.type, enabled=False):
            found: Tensor = self(hidden.to(self.dtype), targets).output
            mean = -found.double().mean().to(found.dtype)
            if not torch.is_grad_enabled():
                return mean
            ends = torch.tensor(self.cutoffs, device=targets.device)
            counts = torch.bincount(torch.bucketize(targets, ends, right=True), minlength=len(ends))
            absent = [tail for tail, count in zip(self.tail, counts[1:].tolist(), strict=True) if not count]
            return mean + sum(weight.sum() * 0 for tail in absent for weight in tail.parameters())

    def log_probabilities(self, hidden: Tensor) -> Tensor:
        """log p of all words, in nats: from (N, D) to (N, V)."""
        with torch.autocast(hidden.device.type, enabled=False):
            return self.log_prob(hidden.to(self.dtype))

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the weights."""
        return next(self.tail.parameters()).dtype
