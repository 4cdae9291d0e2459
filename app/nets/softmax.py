"""A softmax over many words, and the loss of it, without ever holding all its scores."""

# N predictions, D features, V words.

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from app.nets.fused.products import product

# Rows whose scores are held at once: ten megabytes for 10,000 words, little enough for a processor's cache and enough
# that adding up the parts' gradients of the weight costs little.
ROWS = 256


def softmax_loss(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of `linear(hidden, weight, bias)`: `F.cross_entropy`, a part of the rows at a time.

    On the CPU the gradient is taken together with the loss, while the scores of a part are still in the cache; it has
    no second derivative there. Elsewhere, under autocast and in half precision, it is `F.cross_entropy`.

    Args:
        hidden: (N, D).
        weight: (V, D).
        bias: (V,).
        targets: int64 (N,).

    Returns:
        A scalar, in nats per prediction.
    """
    tensors = (hidden, weight, bias)
    plain = hidden.device.type != "cpu" or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling()
    # Sums over many parts would lose digits in less than single precision.
    exact = {tensor.dtype for tensor in tensors} in ({torch.float32}, {torch.float64})
    if plain or not exact:
        return F.cross_entropy(F.linear(hidden, weight, bias), targets)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        loss: Tensor = _Loss.apply(hidden, weight, bias, targets)  # type: ignore[no-untyped-call]
        return loss
    parts = zip(torch.split(hidden, ROWS), torch.split(targets, ROWS), strict=True)
    return _mean(
        [F.cross_entropy(product(rows, weight, bias), words, reduction="sum") for rows, words in parts], hidden
    )


def log_softmax_parts(hidden: Tensor, weight: Tensor, bias: Tensor) -> Iterator[Tensor]:
    """The log softmax of `linear(hidden, weight, bias)`, a part of the rows at a time; without gradients.

    Args:
        hidden: (N, D).
        weight: (V, D).
        bias: (V,).

    Yields:
        (n, V) each, in nats, `ROWS` rows of the N and the rest at the end.
    """
    linear = product if hidden.device.type == "cpu" else F.linear
    for rows in torch.split(hidden, ROWS):
        yield linear(rows, weight, bias).log_softmax(1)


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
        d_hidden, d_bias = torch.empty_like(hidden), torch.zeros_like(bias)
        d_transposed = weight.new_zeros(weight.shape[::-1])  # as oneDNN's product comes, so that adding is quick
        losses = []
        parts = zip(*(torch.split(tensor, ROWS) for tensor in (hidden, targets, d_hidden)), strict=True)
        for rows, words, d_rows in parts:
            logs = product(rows, weight, bias).log_softmax(1)
            at_targets = words.unsqueeze(1)
            losses.append(-logs.gather(1, at_targets).sum())
            # The gradient by the scores: the probabilities, less 1 at the target.
            d_scores = logs.exp_()
            d_scores.scatter_add_(1, at_targets, d_scores.new_full(at_targets.shape, -1.0))
            d_rows.copy_(product(d_scores, weight.t()))
            d_transposed.add_(product(rows.t(), d_scores.t()))
            d_bias.add_(d_scores.sum(0))
        d_weight = d_transposed.t().contiguous()
        ctx.save_for_backward(*(gradient.div_(len(hidden)) for gradient in (d_hidden, d_weight, d_bias)))
        return _mean(losses, hidden)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:
        gradients = [
            gradient * d_loss if needed else None
            for gradient, needed in zip(ctx.saved_tensors, ctx.needs_input_grad[:3], strict=True)
        ]
        return (*gradients, None)


def _mean(sums: list[Tensor], hidden: Tensor) -> Tensor:
    """Of all parts' sums, added in double precision so that it does not matter how many they are."""
    total = torch.stack(sums).double().sum() / len(hidden)
    return total.to(hidden.dtype)
