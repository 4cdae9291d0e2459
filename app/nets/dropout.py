"""The dropouts of the AWD recipe (Merity et al. 2018), as functions that sample from torch's global generator."""

# T time, B batch, D features, V vocabulary.

import torch
import torch.nn.functional as F
from torch import Tensor

from app.nets.fused import dropout


def locked_dropout(x: Tensor, p: float, *, training: bool) -> Tensor:
    """Variational dropout: one mask for all time steps (Gal & Ghahramani 2016; Merity et al. 2018, section 4.2).

    Args:
        x: (T, B, D).
        p: share of the features of each sequence that become 0; the others are divided by 1 - p.
        training: if false, x itself is returned.

    Returns:
        (T, B, D).
    """
    if not training or p == 0:
        return x
    mask = torch.empty_like(x[0]).bernoulli_(1 - p).div_(1 - p)
    return x * mask


def embed(tokens: Tensor, weight: Tensor, row_dropout: float, *, training: bool) -> Tensor:
    """Embedding with dropout of whole words: a dropped word is 0 wherever it occurs (Merity et al. 2018, section 4.3).

    Args:
        tokens: int64 (T, B), word ids.
        weight: (V, D).
        row_dropout: share of the words dropped; the others are divided by 1 - row_dropout.
        training: if false, nothing is dropped.

    Returns:
        (T, B, D).
    """
    vectors = F.embedding(tokens, weight)
    if not training or row_dropout == 0:
        return vectors
    kept = weight.new_empty(len(weight)).bernoulli_(1 - row_dropout).div_(1 - row_dropout)
    return vectors * kept[tokens].unsqueeze(-1)


def drop_weight(weight: Tensor, p: float, *, training: bool, inverted: bool = False) -> Tensor:
    """DropConnect on a recurrent weight (Merity et al. 2018, section 2): one mask for a whole window.

    The ON-LSTM authors' form, the default, masks in training and multiplies by 1 - p in evaluation. AWD-LSTM's form,
    `inverted`, divides the kept weights by 1 - p in training and changes nothing in evaluation.

    Every entry is drawn by itself, so the dropout is among a ticket's survivors alone: a pruned weight is 0 whatever is
    drawn for it, each survivor becomes 0 with probability p, and the share of survivors that do is p on average, as of
    the weights of a dense network.

    Under autocast to bfloat16 on a CPU with fast products of it, another generator draws the mask
    (`app/nets/fused/dropout.py`): torch's takes longer than all products of the layer.

    Args:
        weight: any shape.
        p: share of the entries that become 0 in training.
        training: whether to sample a mask.
        inverted: use AWD-LSTM's form.

    Returns:
        The weight to compute with; the shape of `weight`.
    """
    if p == 0 or (inverted and not training):
        return weight
    if training and dropout.usable(weight):
        return dropout.drop(weight, p, 1 / (1 - p) if inverted else 1.0)
    return weight * weight_factor(weight, p, training=training, inverted=inverted)


def weight_factor(weight: Tensor, p: float, *, training: bool, inverted: bool = False) -> Tensor | float:
    """What `drop_weight` multiplies a weight with: a number, or in training a tensor that is sampled anew.

    Args:
        weight: any shape.
        p: share of the entries that become 0 in training.
        training: whether to sample a mask.
        inverted: use AWD-LSTM's form.
    """
    if p == 0 or not training:
        return 1.0 if inverted or p == 0 else 1 - p
    mask = torch.empty_like(weight).bernoulli_(1 - p)
    return mask.div_(1 - p) if inverted else mask
