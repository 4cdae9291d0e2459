"""Runs a recurrent layer over a sequence as one autograd function, and picks the implementation.

Eager autograd needs about a hundred small operations per step and adds up the weight's gradient step by step. Here the
steps are compiled (`native`) or take few operations (`steps`), and the weight's gradient is one product at the end. On
a GPU, `gpu` does the same with kernels and graphs of its own.
"""

# T time, B batch, H hidden units, R rows of all gates together.

from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from app.nets.fused import bf16, bf16_sequence, native, steps
from app.nets.fused.build import library, library_digest
from app.nets.fused.cells import Cell
from app.nets.fused.eager_gradients import Eager, Read, eager_gradients
from app.nets.fused.gpu import available
from app.nets.fused.plain import are_plain
from app.nets.fused.products import onednn, product

# Shorter sequences are as fast step by step: packing the weight costs as much as two or three steps.
FEWEST_STEPS = 4


def fusible(cell: Cell, x: Tensor, weight_ih: Tensor, bias: Tensor, weight_hh: Tensor, h: Tensor, c: Tensor) -> bool:
    """Whether `read` supports these tensors, and the sequence is long enough for it to pay.

    They must be plain tensors on one device: the CPU, all float32 or all float64; or a GPU whose kernels work, float32.
    Under autocast to bfloat16, x may be bfloat16 and the others float32. Compilers, tracers, forward derivatives and
    function transforms need the eager operations. So do shapes that do not fit each other, because the eager
    operation's error message says what is wrong.
    """
    tensors = x, weight_ih, bias, weight_hh, h, c
    if not are_plain(*tensors):
        return False
    device = x.device
    if device.type not in ("cpu", "cuda"):
        return False
    precisions = {one.dtype for one in tensors[1:]}
    if torch.is_autocast_enabled(device.type):
        fits = precisions == {torch.float32} and x.dtype in (torch.float32, torch.bfloat16)
        fits = fits and torch.get_autocast_dtype(device.type) == torch.bfloat16
    else:
        supported = ({torch.float32}, {torch.float64}) if device.type == "cpu" else ({torch.float32},)
        fits = precisions in supported and x.dtype in precisions
    rows, hidden_size = weight_hh.shape
    return (
        fits
        and x.dim() == 3
        and x.numel() > 0
        and len(x) >= _fewest_steps(device)
        and weight_ih.shape == (rows, x.size(2))
        and bias.shape == (rows,)
        and h.shape == c.shape == (x.size(1), hidden_size)
        and (device.type == "cpu" or available.usable(cell, hidden_size, device))
    )


def _fewest_steps(device: torch.device) -> int:
    """Under autocast one, since the eager operations would compute the gates in bfloat16."""
    return FEWEST_STEPS if device.type == "cpu" and not torch.is_autocast_enabled("cpu") else 1


def read(
    cell: Cell, eager: Eager, x: Tensor, weight_ih: Tensor, bias: Tensor, weight_hh: Tensor, h: Tensor, c: Tensor
) -> Read:
    """Read a sequence.

    Under autocast all products are in bfloat16 where the processor has fast ones (`bf16.instructions`) and on a GPU,
    with sums in float32; cell state and master gates are in float32 everywhere.

    Args:
        cell: computes a step after the products.
        eager: the same function of the six tensors in differentiable operations; used for second derivatives.
        x: (T, B, features).
        weight_ih: (R, features).
        bias: (R,), the sum of both biases.
        weight_hh: (R, H).
        h: (B, H), before the first step.
        c: (B, H), before the first step.

    Returns:
        The outputs (T, B, H), the last c (B, H), and the distances (T, B), detached.
    """
    device = x.device.type
    outer = torch.bfloat16 if torch.is_autocast_enabled(device) else x.dtype
    if device == "cpu" and torch.is_autocast_enabled(device):
        if bf16.instructions():
            return bf16_sequence.read(cell, eager, x, weight_ih, bias, weight_hh, h, c)
        outer = bf16.outer_precision()
    if device != "cpu":
        from app.nets.fused.gpu import sequence  # needs Triton, which torch has only where it supports a GPU

        return sequence.read(cell, eager, outer, x, weight_ih, bias, weight_hh, h, c)
    with torch.autocast("cpu", enabled=False):
        tensors = x.to(weight_hh.dtype), weight_ih, bias, weight_hh, h, c
        return _Sequence.apply(cell, eager, outer, *tensors)  # type: ignore[no-any-return, no-untyped-call]


def implementations() -> dict[str, str]:
    """What `read` computes with in this process, under the autocast that is active.

    These are the time steps, with the digest of their library; the products; and, where it is not torch's, the
    generator of weight dropout.
    """
    digest = library_digest()
    found = {"recurrent steps": "PyTorch" if digest is None else f"compiled {digest}"}
    onednns = "PyTorch" if onednn() is None else "oneDNN"
    if not torch.is_autocast_enabled("cpu") or torch.get_autocast_dtype("cpu") != torch.bfloat16:
        return found | {"recurrent products": onednns}
    instructions = bf16.instructions()
    if instructions:
        return found | {"recurrent products": f"bfloat16 by {instructions}", "weight dropout": "Philox4x32-10"}
    outer = str(bf16.outer_precision()).removeprefix("torch.")
    return found | {"recurrent products": f"{onednns}, those with the input in {outer}"}


class _Sequence(torch.autograd.Function):
    """A whole sequence as one function; `outer` is the precision of the products with the input."""

    @staticmethod
    def forward(ctx: Any, cell: Cell, eager: Eager, outer: torch.dtype, *tensors: Tensor) -> Read:
        x, weight_ih, bias, weight_hh, h, c = tensors
        gates = product(x.flatten(0, 1).to(outer), weight_ih.to(outer), bias.to(outer)).to(x.dtype)
        steps = _steps()
        outputs, cells, distances = steps.forward_steps(cell, gates.view(*x.shape[:2], -1), weight_hh, h, c)
        ctx.cell, ctx.eager, ctx.outer, ctx.steps = cell, eager, outer, steps
        ctx.save_for_backward(*tensors, gates, outputs, cells)
        ctx.mark_non_differentiable(distances)
        ctx.set_materialize_grads(False)
        return outputs, cells[-1].clone(), distances

    @staticmethod
    def backward(ctx: Any, d_outputs: Tensor | None, d_last_c: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        *tensors, gates, outputs, cells = ctx.saved_tensors
        with torch.autocast("cpu", enabled=False):
            # Grad mode is on here only if the gradient itself is differentiated (create_graph=True).
            if torch.is_grad_enabled():
                needed = ctx.needs_input_grad[3:]
                return None, None, None, *eager_gradients(ctx.eager, tensors, needed, d_outputs, d_last_c)
            gradients = _gradients(ctx, tensors, gates, outputs, cells, d_outputs, d_last_c)
            return None, None, None, *gradients


def _steps() -> ModuleType:
    """The module that computes the steps: `native` if the library could be built, else `steps`."""
    return steps if library() is None else native


def _gradients(
    ctx: Any,
    tensors: list[Tensor],
    gates: Tensor,
    outputs: Tensor,
    cells: Tensor,
    d_outputs: Tensor | None,
    d_last_c: Tensor | None,
) -> list[Tensor | None]:
    """Gradients of the six tensors; None for those that need none."""
    x, weight_ih, _, weight_hh, h, c = tensors
    needs_x, needs_weight_ih, needs_bias, needs_weight_hh, needs_h, needs_c = ctx.needs_input_grad[3:]
    d_gates, d_h, d_c = ctx.steps.backward_steps(
        ctx.cell, gates.view(*x.shape[:2], -1), cells, weight_hh, c, d_outputs, d_last_c, want_dh=needs_h
    )
    d_rows = d_gates.flatten(0, 1)
    rounded = d_rows.to(ctx.outer)

    def of_weight(input: Tensor) -> Tensor:
        # The transposed input comes first: oneDNN is a third faster than with the operands swapped.
        return product(input.flatten(0, 1).to(ctx.outer).t(), rounded.t()).to(x.dtype).t()

    return [
        product(rounded, weight_ih.to(ctx.outer).t()).to(x.dtype).view_as(x) if needs_x else None,
        of_weight(x) if needs_weight_ih else None,
        d_rows.sum(0) if needs_bias else None,
        of_weight(torch.cat([h.unsqueeze(0), outputs[:-1]])) if needs_weight_hh else None,
        d_h if needs_h else None,
        d_c if needs_c else None,
    ]
