"""The surviving weights as a list, which can be differentiated."""

from typing import Any

import torch
from torch import Tensor

from app.nets.sparse.pattern import FUNCTIONS, SparsePattern


def survivors(weight: Tensor, pattern: SparsePattern) -> Tensor:
    """The survivors (count,) of a weight, in the order of its pattern; can be differentiated.

    The gradient of the weight is dense, and 0 where nothing survives.
    """
    return _Survivors.apply(pattern, weight)  # type: ignore[no-any-return, no-untyped-call]


def dense(values: Tensor, pattern: SparsePattern) -> Tensor:
    """The dense weight of its survivors (count,), in operations of PyTorch."""
    zeros = values.new_zeros(pattern.mask.numel())
    return zeros.index_put((pattern.positions.long(),), values).view(pattern.mask.shape)


class _Survivors(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pattern: SparsePattern, weight: Tensor) -> Tensor:
        ctx.pattern = pattern
        return pattern.gather(weight)

    @staticmethod
    def backward(ctx: Any, d_values: Tensor) -> tuple[None, Tensor]:
        pattern: SparsePattern = ctx.pattern
        # Grad mode is on here only if the gradient itself is differentiated (create_graph=True).
        if torch.is_grad_enabled():
            return None, dense(d_values, pattern)
        d_weight = d_values.new_zeros(pattern.mask.shape)
        d_values = d_values.contiguous()
        scatter = FUNCTIONS["scatter", d_values.dtype]
        scatter(d_values.data_ptr(), pattern.positions.data_ptr(), pattern.count, d_weight.data_ptr())
        return None, d_weight
