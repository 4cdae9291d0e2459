"""A recurrent layer over a whole sequence on a GPU, as one autograd function."""

# T time, B batch, H hidden units, R rows of all gates together; padded sizes end in P, as in `steps`.

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from app.nets.fused.cells import Cell
from app.nets.fused.eager_gradients import Eager, Read, eager_gradients
from app.nets.fused.gpu.steps import PLANS, into_float32, on, padded


def read(cell: Cell, eager: Eager, outer: torch.dtype, *tensors: Tensor) -> Read:
    """Read a sequence; the arguments of `app.nets.fused.dispatch.read`, on a GPU.

    Args:
        cell: computes a step after the products.
        eager: the same function in differentiable operations; used for second derivatives.
        outer: precision of all products, float32 or bfloat16; their sums and everything else are in float32.
        tensors: x (T, B, features), weight_ih (R, features), bias (R,), weight_hh (R, H), h and c (B, H).

    Returns:
        The outputs (T, B, H), the last c (B, H), and the distances (T, B), detached.
    """
    return _Sequence.apply(cell, eager, outer, *tensors)  # type: ignore[no-any-return, no-untyped-call]


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cell: Cell, eager: Eager, outer: torch.dtype, *tensors: Tensor) -> Read:
        x, weight_ih, bias, weight_hh, h, c = tensors
        (time, batch, _), (rows, hidden) = x.shape, weight_hh.shape
        with on(x.device), torch.autocast(x.device.type, enabled=False):
            gates = into_float32(laid_out(x.flatten(0, 1), outer), laid_out(weight_ih, outer, padded(rows)).t())
            gates[:, :rows].add_(bias)
            results = torch.empty_like(gates)
            outputs, cells = gates.new_empty(2, time, batch, hidden)
            c = c.contiguous()
            plan = PLANS.get(cell, batch, hidden, rows, outer, x.device)
            plan.load(weight_hh)
            plan.forward(gates.view(time, batch, -1), h, c, outputs, cells, results.view(time, batch, -1))
            distances = cell.distances(results.view(time, batch, -1)[..., :rows])
        ctx.cell, ctx.eager, ctx.outer = cell, eager, outer
        ctx.save_for_backward(x, weight_ih, bias, weight_hh, h, c, results, outputs, cells)
        ctx.mark_non_differentiable(distances)
        ctx.set_materialize_grads(False)
        return outputs, cells[-1].clone(), distances

    @staticmethod
    def backward(ctx: Any, d_outputs: Tensor | None, d_last_c: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        *tensors, results, outputs, cells = ctx.saved_tensors
        with on(outputs.device), torch.autocast(outputs.device.type, enabled=False):
            needed = ctx.needs_input_grad[3:]
            # Grad mode is on here only if the gradient itself is differentiated (create_graph=True).
            if torch.is_grad_enabled():
                return None, None, None, *eager_gradients(ctx.eager, tensors, needed, d_outputs, d_last_c)
            x, weight_ih, _bias, weight_hh, h, c = tensors
            needs_x, needs_weight_ih, needs_bias, needs_weight_hh, needs_h, needs_c = needed
            (time, batch, features), (rows, hidden) = x.shape, weight_hh.shape
            d_gates = torch.empty_like(results)
            d_gates[:, rows:].zero_()
            plan = PLANS.get(ctx.cell, batch, hidden, rows, ctx.outer, x.device)
            plan.load(weight_hh)
            d_h, d_c = plan.backward(
                results.view(time, batch, -1),
                cells,
                c,
                None if d_outputs is None else d_outputs.float().contiguous(),
                d_last_c,
                d_gates.view(time, batch, -1),
            )
            rounded = d_gates.to(ctx.outer)

            def of_weight(columns: Tensor, size: int) -> Tensor:
                return into_float32(rounded.t(), columns)[:rows, :size]

            d_x = d_weight_ih = d_weight_hh = None
            if needs_x:
                d_x = into_float32(rounded, laid_out(weight_ih, ctx.outer, padded(rows)))[:, :features]
                d_x = d_x.reshape(x.shape).to(x.dtype)
            if needs_weight_ih:
                d_weight_ih = of_weight(laid_out(x.flatten(0, 1), ctx.outer), features)
            if needs_weight_hh:
                before = torch.cat([h.unsqueeze(0), outputs[:-1]])
                d_weight_hh = of_weight(laid_out(before.flatten(0, 1), ctx.outer), hidden)
            d_bias = d_gates.sum(0)[:rows] if needs_bias else None
            d_first = d_h if needs_h else None, d_c if needs_c else None
            return None, None, None, d_x, d_weight_ih, d_bias, d_weight_hh, *d_first


def laid_out(x: Tensor, kind: torch.dtype, rows: int | None = None) -> Tensor:
    """A matrix in another precision, its rows padded with zeros to an aligned length, and with more rows to so many."""
    more_rows = 0 if rows is None else rows - len(x)
    more = padded(x.size(1)) - x.size(1)
    x = x.to(kind)
    return F.pad(x, (0, more, 0, more_rows)) if more or more_rows else x
