"""The recurrent time steps and their gradients by the compiled library; see `build`."""

# T time, B batch, H hidden units, R rows of all gates together.

import ctypes

import torch
from torch import Tensor

from app.nets.fused.build import library
from app.nets.fused.cells import Cell

# At least as many entries as a vector of the kernel has: the last panel of a packed weight may exceed it by so many.
LANES = 16
# Multiplications per step that justify one more thread; the result is bitwise the same for any number of threads.
WORTH_A_THREAD = 200_000


def _call(name: str, sizes: tuple[int, ...], work: int, *tensors: Tensor | None, last: tuple[int, ...] = ()) -> None:
    """Call a compiled function; tensors that it writes to must be contiguous."""
    compiled = library()
    assert compiled is not None
    precision = next(x.dtype for x in tensors if x is not None)
    function = getattr(compiled, f"{name}_{str(precision).removeprefix('torch.')}")
    function.restype = None
    # Kept in a variable: copies made by `contiguous` must live until the call returns.
    laid_out = [None if x is None else x.contiguous() for x in tensors]
    threads = max(1, min(torch.get_num_threads(), work // WORTH_A_THREAD))
    function(
        *map(ctypes.c_long, sizes),
        ctypes.c_int(threads),
        *(ctypes.c_void_p(None if x is None else x.data_ptr()) for x in laid_out),
        *map(ctypes.c_int, last),
    )


def forward_steps(cell: Cell, gates: Tensor, weight_hh: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Read a sequence; same as `steps.forward_steps`.

    Args:
        cell: computes a step after the product.
        gates: (T, B, R), contiguous, the products with the input; overwritten by the activated gates.
        weight_hh: (R, H).
        h: (B, H), before the first step.
        c: (B, H), before the first step.

    Returns:
        The outputs and the cell states (T, B, H), and the distances (T, B).

    Raises:
        ValueError: the number of rows does not fit the cell and its hidden units.
    """
    (time, batch, rows), hidden = gates.shape, h.size(1)
    masters = 2 * (hidden // cell.chunk_size) if cell.chunk_size else 0
    if rows != masters + 4 * hidden:
        raise ValueError(f"the weights have {rows} rows; expected {masters + 4 * hidden} for {hidden} hidden units")
    outputs, cells = gates.new_empty(2, time, batch, hidden)
    distances = gates.new_empty(time, batch)
    packed, lined = gates.new_empty((rows + LANES) * hidden), gates.new_empty(batch * hidden)
    sizes = time, batch, hidden, cell.chunk_size
    _call("forward", sizes, weight_hh.numel() * batch, gates, weight_hh, packed, lined, h, c, outputs, cells, distances)
    return outputs, cells, distances


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
    """Backpropagation through time; same as `steps.backward_steps`.

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
    (time, batch, rows), hidden = gates.shape, c.size(1)
    d_gates = torch.empty_like(gates)
    dh = torch.zeros_like(c) if d_outputs is None else d_outputs[-1].clone()
    dc = torch.zeros_like(c) if d_last_c is None else d_last_c.clone()
    packed, lined = gates.new_empty((hidden + LANES) * rows), gates.new_empty(batch * rows)
    sizes = time, batch, hidden, cell.chunk_size
    tensors = gates, weight_hh, packed, lined, c, cells, d_outputs, d_gates, dh, dc
    _call("backward", sizes, weight_hh.numel() * batch, *tensors, last=(want_dh,))
    return d_gates, dh, dc
