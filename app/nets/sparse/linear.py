"""A linear layer that computes with the surviving weights alone."""

# B examples, I features of the input, O of the output.

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from app.nets.sparse.build import is_plain, undisturbed, usable
from app.nets.sparse.layer import SparseLayer
from app.nets.sparse.pattern import FUNCTIONS, SparsePattern

# Multiplications that justify one more thread; the result is bitwise the same for any number of threads.
WORTH_A_THREAD = 500_000


class SparseLinear(SparseLayer, nn.Linear):
    """`nn.Linear` of a masked weight (`SparseLayer`)."""

    @override
    def forward(self, input: Tensor) -> Tensor:
        # Not `self.weight`: at one example, what Python does takes longer than the products.
        weight, bias = self._parameters["weight"], self._parameters["bias"]
        assert weight is not None
        if input.shape[-1] != self.in_features or not input.numel() or not undisturbed():
            return F.linear(input, weight, bias)
        if torch.is_grad_enabled() and any(each is not None and each.requires_grad for each in (input, weight, bias)):
            self.forget()
            if usable(input, weight, bias):
                return _Linear.apply(self.pattern, input, weight, bias)  # type: ignore[no-any-return, no-untyped-call]
            return F.linear(input, weight, bias)
        found = self.survivors(weight, bias)
        if found is None or not is_plain(input, found.weight.dtype):
            return F.linear(input, weight, bias)
        return linear(self.pattern, found.values, found.rowwise, input, bias)


def linear(pattern: SparsePattern, values: Tensor, rowwise: Tensor | None, x: Tensor, bias: Tensor | None) -> Tensor:
    """x times a sparse weight transposed, plus a bias; without gradients.

    Args:
        pattern: of the weight (O, I).
        values: its survivors, in the order of the pattern.
        rowwise: the same row by row, for one example.
        x: (..., I).
        bias: (O,), contiguous.

    Returns:
        (..., O).
    """
    x = x.contiguous()
    batch = x.numel() // pattern.columns
    # Of a torch.Size, a slice alone takes longer than memory.
    y = x.new_empty(batch, pattern.rows) if x.ndim == 2 else x.new_empty((*x.shape[:-1], pattern.rows))
    of_bias = 0 if bias is None else bias.data_ptr()
    if batch == 1 and rowwise is not None:
        one = FUNCTIONS["linear_one", x.dtype]
        one(pattern.address, rowwise.data_ptr(), of_bias, x.data_ptr(), y.data_ptr())
    else:
        many = FUNCTIONS["linear", x.dtype]
        threads = _threads(pattern, batch)
        many(pattern.address, values.data_ptr(), of_bias, x.data_ptr(), batch, y.data_ptr(), threads)
    return y


def _threads(pattern: SparsePattern, batch: int) -> int:
    most = pattern.count * batch // WORTH_A_THREAD
    return 1 if most < 2 else min(torch.get_num_threads(), most)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pattern: SparsePattern, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        values = pattern.gather(weight)
        ctx.pattern, ctx.values = pattern, values
        ctx.save_for_backward(x, weight, bias)
        return linear(pattern, values, None, x, bias)

    @staticmethod
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias = ctx.saved_tensors
        pattern, needed = ctx.pattern, ctx.needs_input_grad[1:]
        # Grad mode is on here only if the gradient itself is differentiated (create_graph=True).
        if torch.is_grad_enabled():
            return None, *_eager_gradients(pattern, x, weight, bias, d_y, needed)
        x, d_y = x.contiguous(), d_y.contiguous()
        d_x = torch.empty_like(x) if needed[0] else None
        d_weight = weight.new_zeros(weight.shape) if needed[1] else None
        d_bias = bias.new_zeros(bias.shape) if needed[2] else None
        batch = x.numel() // pattern.columns
        outputs = (0 if each is None else each.data_ptr() for each in (d_x, d_weight, d_bias))
        inputs = pattern.address, ctx.values.data_ptr(), x.data_ptr(), d_y.data_ptr()
        FUNCTIONS["linear_backward", x.dtype](*inputs, batch, *outputs, _threads(pattern, batch))
        return None, d_x, d_weight, d_bias


def _eager_gradients(
    pattern: SparsePattern, x: Tensor, weight: Tensor, bias: Tensor | None, d_y: Tensor, needed: tuple[bool, ...]
) -> tuple[Tensor | None, ...]:
    """The gradients by operations that can be differentiated again."""
    mask = pattern.mask
    flat, d_flat = x.flatten(0, -2), d_y.flatten(0, -2)
    d_x = d_y @ (weight * mask) if needed[0] else None
    d_weight = (d_flat.t() @ flat) * mask if needed[1] else None
    return d_x, d_weight, d_flat.sum(0) if bias is not None and needed[2] else None
