"""A recurrent layer over a whole sequence whose weights are sparse, as one autograd function."""

# T time, B batch, H hidden units, R rows of all gates together.

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from app.nets.fused.cells import Cell
from app.nets.fused.eager_gradients import Eager, Read, eager_gradients
from app.nets.sparse.pattern import FUNCTIONS, SparsePattern
from app.nets.sparse.values import dense

# Multiplications per step that justify one more thread; the result is bitwise the same for any number of threads.
WORTH_A_THREAD = 200_000


class Patterns(NamedTuple):
    """Where the survivors of a layer's weights are.

    Args:
        ih: of the weight that the input is multiplied with.
        hh: of the recurrent one.
    """

    ih: SparsePattern
    hh: SparsePattern


def read(
    cell: Cell,
    eager: Eager,
    patterns: Patterns,
    x: Tensor,
    values_ih: Tensor,
    bias: Tensor,
    values_hh: Tensor,
    h: Tensor,
    c: Tensor,
) -> Read:
    """Read a sequence.

    Args:
        cell: computes a step after the products.
        eager: the same of x, the dense weights, bias, h and c in differentiable operations; for second derivatives.
        patterns: of the weights.
        x: (T, B, features).
        values_ih: the survivors of the weight (R, features), in the order of its pattern.
        bias: (R,), the sum of both biases.
        values_hh: those of the weight (R, H).
        h: (B, H), before the first step.
        c: (B, H), before the first step.

    Returns:
        The outputs (T, B, H), the last c (B, H), and the distances (T, B), detached.
    """
    return _Sequence.apply(cell, eager, patterns, x, values_ih, bias, values_hh, h, c)  # type: ignore[no-any-return, no-untyped-call]


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cell: Cell, eager: Eager, patterns: Patterns, *tensors: Tensor) -> Read:
        x, values_ih, bias, values_hh, h, c = tensors = tuple(each.contiguous() for each in tensors)
        (time, batch, _), hidden = x.shape, h.size(1)
        gates = x.new_empty(time * batch, len(bias))
        outputs, cells = x.new_empty(2, time, batch, hidden)
        distances = x.new_empty(time, batch)
        FUNCTIONS["recurrent", x.dtype](
            *_sizes(cell, patterns, x, h),
            *(patterns.ih.address, values_ih.data_ptr(), patterns.hh.address, values_hh.data_ptr()),
            *(each.data_ptr() for each in (bias, x, h, c, gates, outputs, cells, distances)),
        )
        ctx.cell, ctx.eager, ctx.patterns = cell, eager, patterns
        ctx.save_for_backward(*tensors, gates, outputs, cells)
        ctx.mark_non_differentiable(distances)
        ctx.set_materialize_grads(False)
        return outputs, cells[-1].clone(), distances

    @staticmethod
    def backward(ctx: Any, d_outputs: Tensor | None, d_last_c: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        *tensors, gates, outputs, cells = ctx.saved_tensors
        needed = ctx.needs_input_grad[3:]
        # Grad mode is on here only if the gradient itself is differentiated (create_graph=True).
        if torch.is_grad_enabled():
            eager = _of_values(ctx.eager, ctx.patterns)
            return None, None, None, *eager_gradients(eager, tensors, needed, d_outputs, d_last_c)
        return None, None, None, *_gradients(ctx, tensors, needed, gates, outputs, cells, d_outputs, d_last_c)


def _gradients(
    ctx: Any,
    tensors: Sequence[Tensor],
    needed: Sequence[bool],
    gates: Tensor,
    outputs: Tensor,
    cells: Tensor,
    d_outputs: Tensor | None,
    d_last_c: Tensor | None,
) -> list[Tensor | None]:
    """Gradients of the six tensors; None for those that need none."""
    x, values_ih, bias, values_hh, h, c = tensors
    cell, patterns = ctx.cell, ctx.patterns
    needs_x, needs_ih, needs_bias, needs_hh, needs_h, needs_c = needed
    d_outputs = None if d_outputs is None else d_outputs.contiguous()
    dh = torch.zeros_like(h) if d_outputs is None else d_outputs[-1].clone()
    dc = torch.zeros_like(c) if d_last_c is None else d_last_c.clone(memory_format=torch.contiguous_format)
    d_x = torch.empty_like(x) if needs_x else None
    sums = (
        torch.zeros_like(each) if wanted else None
        for each, wanted in ((values_ih, needs_ih), (values_hh, needs_hh), (bias, needs_bias))
    )
    d_ih, d_hh, d_bias = sums
    written = d_outputs, d_x, d_ih, d_hh, d_bias, dh, dc
    FUNCTIONS["recurrent_backward", x.dtype](
        *_sizes(cell, patterns, x, h),
        *(patterns.ih.address, values_ih.data_ptr(), patterns.hh.address, values_hh.data_ptr()),
        *(each.data_ptr() for each in (x, h, c, gates, outputs, cells)),
        *(0 if each is None else each.data_ptr() for each in written),
        int(needs_h),
    )
    return [d_x, d_ih, d_bias, d_hh, dh if needs_h else None, dc if needs_c else None]


def _sizes(cell: Cell, patterns: Patterns, x: Tensor, h: Tensor) -> tuple[int, ...]:
    time, batch, features = x.shape
    work = (patterns.ih.count + patterns.hh.count) * batch
    threads = max(1, min(torch.get_num_threads(), work // WORTH_A_THREAD))
    return time, batch, features, h.size(1), cell.chunk_size, threads


def _of_values(eager: Eager, patterns: Patterns) -> Eager:
    """The eager function with the survivors in place of the weights."""

    def of_values(x: Tensor, values_ih: Tensor, bias: Tensor, values_hh: Tensor, h: Tensor, c: Tensor) -> Read:
        return eager(x, dense(values_ih, patterns.ih), bias, dense(values_hh, patterns.hh), h, c)

    return of_values
