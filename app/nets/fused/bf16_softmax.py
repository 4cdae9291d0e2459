"""Softmax over a large vocabulary and its loss with all products in bfloat16; scores and sums are in float32."""

# N predictions, D features, V words.

from typing import Any

import torch
from torch import Tensor

from app.nets.fused import bf16
from app.nets.fused.saved_gradients import scaled_gradients

# Predictions whose gradients with respect to the scores are kept at once: 40 megabytes for 10,000 words.
PART = 2048


def losses(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Minus the log probability of every target, without gradients; `bf16.instructions()` must not be None.

    Args:
        hidden: (N, D).
        weight: float32 (V, D).
        bias: float32 (V,).
        targets: int64 (N,).

    Returns:
        float32 (N,), in nats.

    Raises:
        IndexError: a target is outside the vocabulary.
    """
    _check(targets, len(weight))
    count, features = hidden.shape
    found = torch.empty(count)
    left, right = bf16.rows(hidden), bf16.panels_of_transpose(weight)
    operands = left, left.size(1), count, features, len(weight), right, bias.contiguous(), targets.contiguous(), found
    bf16.call("bf16_losses", bf16.tiles(), *operands, work=count * weight.numel())
    return found


def loss(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Mean of `losses`, with its gradient; there is no second derivative."""
    return _Loss.apply(hidden, weight, bias, targets)  # type: ignore[no-any-return, no-untyped-call]


def _check(targets: Tensor, words: int) -> None:
    least, most = (int(one) for one in targets.aminmax())
    if least < 0 or most >= words:
        raise IndexError(f"target {least if least < 0 else most} is out of bounds for {words} words")


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
        words, features = weight.shape
        _check(targets, words)
        count, bias, targets = len(hidden), bias.contiguous(), targets.contiguous()
        found, d_hidden = torch.empty(count), torch.empty(count, features)
        rows, scores_by, back = bf16.rows(hidden), bf16.panels_of_transpose(weight), bf16.panels(weight)
        d_weight, d_bias = None, torch.zeros_like(bias)
        for start in range(0, count, PART):
            part = slice(start, start + PART)
            mine, size = rows[part], len(rows[part])
            d_scores = bf16.empty_rows(words, size)
            bf16.call(
                "bf16_losses_and_gradients",
                *(bf16.tiles(), mine, mine.size(1), size, features, words, scores_by, back, bias, targets[part]),
                *(found[part], d_hidden[part], d_scores, d_scores.size(1)),
                work=size * weight.numel(),
            )
            d_weight = bf16.product(d_scores, bf16.panels_of_rows(mine, features), size, features, d_weight)
            d_bias += bf16.sums(d_scores, size)
        ctx.save_for_backward(d_hidden, d_weight, d_bias)
        return found.double().mean().float()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:
        return scaled_gradients(ctx, d_loss / len(ctx.saved_tensors[0]))
