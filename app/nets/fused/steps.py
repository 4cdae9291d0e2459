"""The recurrent time steps and their hand-written gradients in PyTorch operations."""

# T time, B batch, H hidden units, R rows of all gates together.

import torch
from torch import Tensor

from app.nets.fused.cells import Cell
from app.nets.fused.products import repeated


def forward_steps(cell: Cell, gates: Tensor, weight_hh: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Read a sequence.

    Args:
        cell: computes a step after the product.
        gates: (T, B, R), the products with the input; overwritten by the activated gates.
        weight_hh: (R, H).
        h: (B, H), before the first step.
        c: (B, H), before the first step.

    Returns:
        The outputs and the cell states (T, B, H), and the distances (T, B).
    """
    outputs = gates.new_empty(len(gates), *h.shape)
    cells = torch.empty_like(outputs)
    from_h = repeated(weight_hh, len(h))
    for gate, new_h, new_c in zip(gates.unbind(0), outputs.unbind(0), cells.unbind(0), strict=True):
        cell.forward(gate.add_(from_h(h)), c, new_h, new_c)
        h, c = new_h, new_c
    return outputs, cells, cell.distances(gates)


def backward_steps(
    cell: Cell,
    gates: Tensor,
    cells: Tensor,
    weight_hh: Tensor,
    c: Tensor,
    d_outputs: Tensor | None,
    d_last_c: Tensor | None,
    *,
    want_dh: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Backpropagation through time.

    Args:
        cell: computes a step after the product.
        gates: (T, B, R), activated.
        cells: (T, B, H), the cell states.
        weight_hh: (R, H).
        c: (B, H), before the first step.
        d_outputs: (T, B, H), the gradient of the outputs; None for zeros.
        d_last_c: (B, H), that of the last cell state; None for zeros.
        want_dh: whether the gradient of the first h is needed; otherwise its value is meaningless.

    Returns:
        The gradients of the gates before their activation (T, B, R), of the first h and of the first c (B, H).
    """
    local = cell.local(gates, cells, torch.cat([c.unsqueeze(0), cells[:-1]]))
    d_gates = torch.empty_like(gates)
    to_h = repeated(weight_hh.t(), len(c))
    dh, dc = torch.zeros_like(c), torch.zeros_like(c) if d_last_c is None else d_last_c
    for time in reversed(range(len(gates))):
        if d_outputs is not None:
            dh = dh + d_outputs[time]
        dc = torch.addcmul(dc, dh, local.cell[time])
        cell.backward(dh, dc, local, gates[time], time, d_gates[time])
        dc = dc * local.kept[time]
        if time or want_dh:
            dh = to_h(d_gates[time])
    return d_gates, dh, dc
