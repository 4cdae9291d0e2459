"""The last layer of a language model: a linear layer with a softmax, or an adaptive softmax, by the same functions."""

# N predictions, D features, V words.

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from app.common.errors import UserError
from app.nets.adaptive_softmax import AdaptiveSoftmax
from app.nets.softmax import block_rows, implementations, log_softmax_parts, softmax_loss

Decoder: TypeAlias = nn.Linear | AdaptiveSoftmax


def make_decoder(
    features: int, embedding: nn.Embedding, softmax: str, cutoffs: Sequence[int] | None, *, tied: bool
) -> Decoder:
    """The last layer of a language model.

    Args:
        features: D, of the net's output.
        embedding: of V words.
        softmax: "dense" or "adaptive".
        cutoffs: numbers of the words with which the clusters of an adaptive softmax begin; None for automatic ones.
        tied: whether it uses the embedding's weight, which then has D features.

    Raises:
        UserError: cutoffs for a dense softmax, or such as an adaptive one cannot have.
    """
    words = embedding.num_embeddings
    if softmax == "adaptive":
        return AdaptiveSoftmax(features, words, cutoffs, embedding if tied else None)
    if cutoffs is not None:
        raise UserError("softmax_cutoffs is given, and softmax is dense; set softmax to adaptive, or leave it out")
    linear = nn.Linear(features, words)
    if tied:
        linear.weight = embedding.weight
    return linear


def mean_loss(decoder: Decoder, hidden: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy, in nats per prediction.

    Args:
        decoder: of V words.
        hidden: (N, D).
        targets: int64 (N,).
    """
    if isinstance(decoder, AdaptiveSoftmax):
        return decoder.loss(hidden, targets)
    return softmax_loss(hidden, decoder.weight, decoder.bias, targets)


def log_probability_parts(decoder: Decoder, hidden: Tensor) -> Iterator[Tensor]:
    """log p of all words in blocks of rows, without gradients.

    Args:
        decoder: of V words.
        hidden: (N, D).

    Yields:
        Blocks (n, V), in nats.
    """
    if not isinstance(decoder, AdaptiveSoftmax):
        yield from log_softmax_parts(hidden, decoder.weight, decoder.bias)
        return
    with torch.no_grad():
        for rows in torch.split(hidden, block_rows(decoder.n_classes)):
            yield decoder.log_probabilities(rows)


def scores(decoder: Decoder, hidden: Tensor) -> Tensor:
    """Scores whose softmax is the distribution of the next word: from (..., D) to (..., V).

    Those of an adaptive softmax are log-probabilities.
    """
    if not isinstance(decoder, AdaptiveSoftmax):
        return decoder(hidden)  # type: ignore[no-any-return]
    return decoder.log_probabilities(hidden.flatten(0, -2)).view(*hidden.shape[:-1], -1)


def decoder_kernels(decoder: Decoder, device: str) -> dict[str, str]:
    """What computes the loss on a type of device, such as "cpu"."""
    return {"softmax": "PyTorch, adaptive"} if isinstance(decoder, AdaptiveSoftmax) else implementations(device)


def tied_weight(decoder: Decoder, embedding: nn.Embedding) -> str | None:
    """The name in the decoder of the matrix that is the embedding's; None where it has none of it."""
    named = decoder.named_parameters(remove_duplicate=False)
    return next((name for name, parameter in named if parameter is embedding.weight), None)


def own_weights(decoder: Decoder, embedding: nn.Embedding) -> dict[str, nn.Parameter]:
    """The decoder's matrices by parameter name, without that of an embedding."""
    named = decoder.named_parameters()
    return {name: weight for name, weight in named if weight.dim() > 1 and weight is not embedding.weight}


def reset_decoder(decoder: Decoder, embedding: nn.Embedding, bound: float) -> None:
    """Initialise anew: weights from U(-bound, bound), bias 0; those of clusters as torch does, by their size.

    Args:
        decoder: a matrix that is the embedding's stays as it is.
        embedding: of the same words.
        bound: of the uniform distribution.
    """
    for name, weight in own_weights(decoder, embedding).items():
        if not name.startswith("tail."):
            nn.init.uniform_(weight, -bound, bound)
    if isinstance(decoder, AdaptiveSoftmax):
        for layer in decoder.tail.modules():
            if isinstance(layer, nn.Linear):
                layer.reset_parameters()
    nn.init.zeros_((decoder.head if isinstance(decoder, AdaptiveSoftmax) else decoder).bias)
