"""The loss of a softmax over a large vocabulary on a GPU, with one copy of the scores."""

# N predictions, D features, V words.

from typing import Any

import torch
from torch import Tensor

from app.nets.fused.gpu import softmax_kernels
from app.nets.fused.gpu.sequence import laid_out
from app.nets.fused.gpu.steps import into_float32, on, padded

SIZE = 1024  # words that a program reads at once


def loss(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, outer: torch.dtype) -> Tensor:
    """Mean cross-entropy in nats; the gradient is computed with it, in place of the scores.

    Args:
        hidden: (N, D).
        weight: (V, D).
        bias: (V,).
        targets: int64 (N,), each a word: there is no index that is ignored, and another makes the loss nan.
        outer: precision of the products, float32 or bfloat16; the scores and their sums are in float32.
    """
    value: Tensor = _Loss.apply(hidden, weight, bias, targets.contiguous(), outer)  # type: ignore[no-untyped-call]
    return value


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, outer: torch.dtype) -> Tensor:
        words, features = weight.shape
        with on(hidden.device), torch.autocast(hidden.device.type, enabled=False):
            rows, columns = laid_out(hidden, outer), laid_out(weight, outer, padded(words))
            scores = into_float32(rows, columns.t())
            scores[:, :words].add_(bias)
            losses = scores.new_empty(len(scores))
            softmax_kernels.softmax_gradient[(len(scores),)](
                scores, targets, losses, scores.stride(0), words=words, size=SIZE, num_warps=4
            )
            scores[:, words:].zero_()
            rounded = scores.to(outer)
            needs_hidden, needs_weight, needs_bias = ctx.needs_input_grad[:3]
            share = 1 / len(scores)
            ctx.save_for_backward(
                into_float32(rounded, columns)[:, :features].mul(share).to(hidden.dtype) if needs_hidden else None,
                into_float32(rounded.t(), rows)[:words, :features].mul(share) if needs_weight else None,
                scores.sum(0)[:words].mul(share) if needs_bias else None,
            )
            return losses.mean()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:
        gradients = [None if one is None else one * d_loss.to(one.dtype) for one in ctx.saved_tensors]
        return (*gradients, None, None)
