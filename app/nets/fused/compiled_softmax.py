"""Softmax over a large vocabulary and its loss by the compiled library, in float32 or float64; see csrc/softmax.cpp."""

# N predictions, D features, V words.

import ctypes
from typing import Any

import torch
from torch import Tensor

from app.common import float32_precision
from app.nets.fused.build import library
from app.nets.fused.plain import are_plain
from app.nets.fused.saved_gradients import scaled_gradients

LINE = 64  # bytes: rows of the weight's gradient are whole lines of the cache, and so whole vectors
# Multiplications that justify one more thread; the last bits of results depend on the number of threads.
WORTH_A_THREAD = 1_000_000


def usable(*tensors: Tensor) -> bool:
    """Whether `loss` and `losses` take these hidden features, weight, bias and targets, all on the CPU."""
    types = {each.dtype for each in tensors[:3]}
    return available(tensors[0].dtype) and len(types) == 1 and tensors[3].dtype == torch.int64 and are_plain(*tensors)


def available(precision: torch.dtype) -> bool:
    """Whether the library is there, and its products are of the precision that torch's would be of now.

    `--matmul_precision` can ask for less than float32, which the library does not compute in.
    """
    if library() is None or precision not in (torch.float32, torch.float64):
        return False
    products = float32_precision.measured(torch.device("cpu"))[float32_precision.PRODUCTS]
    return precision == torch.float64 or products == float32_precision.FLOAT32


def losses(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Minus the log probability of every target, without gradients; `usable` must be true.

    Args:
        hidden: float32 or float64 (N, D), with any strides.
        weight: the same precision, (V, D).
        bias: (V,).
        targets: int64 (N,).

    Returns:
        (N,), in nats.

    Raises:
        IndexError: a target is outside the vocabulary.
        ValueError: shapes that do not fit each other.
    """
    return _compute(hidden, weight, bias, targets, None)


def loss(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Mean of `losses`, with its gradient; there is no second derivative."""
    return _Loss.apply(hidden, weight, bias, targets)  # type: ignore[no-any-return, no-untyped-call]


def _compute(
    hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, gradients: tuple[Tensor, Tensor, Tensor] | None
) -> Tensor:
    """Losses (N,); the gradients of their mean are written to tensors (N, D), (V, at least D) and (V,)."""
    (count, features), words = hidden.shape, len(weight)
    if weight.shape != (words, features) or bias.shape != (words,) or targets.shape != (count,):
        shapes = ", ".join(str(tuple(each.shape)) for each in (hidden, weight, bias, targets))
        raise ValueError(f"features, weight, bias and targets of the softmax do not fit each other: {shapes}")
    least, most = (int(each) for each in targets.aminmax())
    if least < 0 or most >= words:
        raise IndexError(f"target {least if least < 0 else most} is out of bounds for {words} words")
    compiled = library()
    assert compiled is not None
    function = getattr(compiled, f"softmax_{str(hidden.dtype).removeprefix('torch.')}")
    function.restype = None
    found = hidden.new_empty(count)
    # Kept in a variable: copies made by `contiguous` must live until the call returns.
    read = [each.contiguous() for each in (hidden, weight, bias, targets)]
    written = (None, None, None) if gradients is None else gradients
    threads = max(1, min(torch.get_num_threads(), count * weight.numel() // WORTH_A_THREAD))
    function(
        *map(ctypes.c_long, (count, features, words, 0 if written[1] is None else written[1].stride(0))),
        ctypes.c_int(threads),
        *(ctypes.c_void_p(None if each is None else each.data_ptr()) for each in (*read, found, *written)),
    )
    return found


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
        entries = LINE // weight.element_size()
        padded = -(-weight.size(1) // entries) * entries
        d_hidden, d_bias = hidden.new_empty(hidden.shape), bias.new_empty(bias.shape)
        d_weight = weight.new_empty(len(weight), padded)
        found = _compute(hidden, weight, bias, targets, (d_hidden, d_weight, d_bias))
        ctx.save_for_backward(d_hidden, d_weight[:, : weight.size(1)], d_bias)
        return found.double().mean().to(hidden.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:
        return scaled_gradients(ctx, d_loss)
