"""A recurrent layer over a whole sequence with all its products in bfloat16, as one autograd function.

The sums of the products, the gates, the master gates and the cell state are in float32, forward and backward.
"""

# T time, B batch, H hidden units, R rows of all gates together.

from typing import Any

import torch
from torch import Tensor

from app.nets.fused import bf16
from app.nets.fused.cells import Cell
from app.nets.fused.eager_gradients import Eager, Read, eager_gradients


def read(
    cell: Cell, eager: Eager, x: Tensor, weight_ih: Tensor, bias: Tensor, weight_hh: Tensor, h: Tensor, c: Tensor
) -> Read:
    """Read a sequence; `bf16.instructions()` must not be None.

    Args:
        cell: computes a step after the products.
        eager: the same function of the six tensors in differentiable operations; used for second derivatives.
        x: (T, B, features), float32 or bfloat16.
        weight_ih: float32 (R, features).
        bias: float32 (R,), the sum of both biases.
        weight_hh: float32 (R, H).
        h: float32 (B, H), before the first step.
        c: float32 (B, H), before the first step.

    Returns:
        The outputs (T, B, H), the last c (B, H), and the distances (T, B), detached; float32.
    """
    with torch.autocast("cpu", enabled=False):
        return _Sequence.apply(cell, eager, x.float(), weight_ih, bias, weight_hh, h, c)  # type: ignore[no-any-return, no-untyped-call]


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cell: Cell, eager: Eager, *tensors: Tensor) -> Read:
        x, weight_ih, bias, weight_hh, h, c = tensors
        (time, batch, features), (count, hidden) = x.shape, weight_hh.shape
        x_rows = bf16.rows(x.flatten(0, 1))
        gates = bf16.product(x_rows, bf16.panels_of_transpose(weight_ih), features, count, bias)
        h_rows = bf16.empty_rows((time + 1) * batch, hidden)  # h before the first step, and after each
        outputs, cells = torch.empty(2, time, batch, hidden)
        distances = torch.empty(time, batch)
        operands = gates, weight_hh.contiguous(), bf16.empty_panels(hidden, count), h_rows, h_rows.size(1)
        state = h.contiguous(), c.contiguous(), outputs, cells, distances
        sizes = bf16.tiles(), time, batch, hidden, cell.chunk_size
        bf16.call("bf16_forward", *sizes, *operands, *state, work=count * hidden * batch)
        ctx.cell, ctx.eager = cell, eager
        ctx.save_for_backward(*tensors, gates, cells, x_rows, h_rows)
        ctx.mark_non_differentiable(distances)
        ctx.set_materialize_grads(False)
        return outputs, cells[-1].clone(), distances

    @staticmethod
    def backward(ctx: Any, d_outputs: Tensor | None, d_last_c: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        *tensors, gates, cells, x_rows, h_rows = ctx.saved_tensors
        needed = ctx.needs_input_grad[2:]
        with torch.autocast("cpu", enabled=False):
            # Grad mode is on here only if the gradient itself is differentiated (create_graph=True).
            if torch.is_grad_enabled():
                return None, None, *eager_gradients(ctx.eager, tensors, needed, d_outputs, d_last_c)
            return None, None, *_gradients(ctx.cell, tensors, needed, gates, cells, x_rows, h_rows, d_outputs, d_last_c)


def _gradients(
    cell: Cell,
    tensors: list[Tensor],
    needed: tuple[bool, ...],
    gates: Tensor,
    cells: Tensor,
    x_rows: Tensor,
    h_rows: Tensor,
    d_outputs: Tensor | None,
    d_last_c: Tensor | None,
) -> list[Tensor | None]:
    """Gradients of the six tensors; None for those that need none."""
    x, weight_ih, _, weight_hh, h, c = tensors
    needs_x, needs_weight_ih, needs_bias, needs_weight_hh, needs_h, needs_c = needed
    (time, batch, features), (count, hidden) = x.shape, weight_hh.shape
    predictions = time * batch
    d_outputs = None if d_outputs is None else d_outputs.contiguous()
    dh = torch.zeros_like(h) if d_outputs is None else d_outputs[-1].clone()
    dc = torch.zeros_like(c) if d_last_c is None else d_last_c.clone()
    d_rows = bf16.empty_rows(predictions, count)
    operands = gates, weight_hh.contiguous(), bf16.empty_panels(count, hidden), d_rows, d_rows.size(1)
    state = c.contiguous(), cells, d_outputs, dh.contiguous(), dc.contiguous(), int(needs_h)
    sizes = bf16.tiles(), time, batch, hidden, cell.chunk_size
    bf16.call("bf16_backward", *sizes, *operands, *state, work=count * hidden * batch)
    d_x = bf16.product(d_rows, bf16.panels(weight_ih), count, features).view_as(x) if needs_x else None
    turned = bf16.transposed_rows(d_rows, count)

    def of_weight(inputs: Tensor, columns: int) -> Tensor:
        return bf16.product(turned, bf16.panels_of_rows(inputs[:predictions], columns), predictions, columns)

    return [
        d_x,
        of_weight(x_rows, features) if needs_weight_ih else None,
        bf16.sums(turned, predictions) if needs_bias else None,
        of_weight(h_rows, hidden) if needs_weight_hh else None,
        dh if needs_h else None,
        dc if needs_c else None,
    ]
