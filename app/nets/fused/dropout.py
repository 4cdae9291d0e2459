"""Dropout of a large tensor on the CPU by the compiled library; its numbers are those of csrc/dropout.cpp."""

from typing import Any

import torch
from torch import Tensor

from app.nets.fused import bf16


def usable(weight: Tensor) -> bool:
    """Whether `drop` takes the place of torch's dropout: under autocast to bfloat16 on the CPU, with fast products."""
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and not torch.compiler.is_compiling()
        and bf16.instructions() is not None
    )


def drop(weight: Tensor, p: float, scale: float) -> Tensor:
    """The weight times a random mask: an entry is 0 with probability p, and multiplied by `scale` otherwise.

    torch's global generator draws a seed, and Philox4x32-10 the number of every entry from it. There is no mask to
    keep: the gradient draws it again.

    Args:
        weight: float32, any shape.
        p: probability that an entry becomes 0.
        scale: factor of the others.

    Returns:
        The shape of `weight`.
    """
    seed = int(torch.randint(2**63 - 1, ()))
    return _Drop.apply(weight, seed, p, scale)  # type: ignore[no-any-return, no-untyped-call]


def dropped(x: Tensor, seed: int, p: float, scale: float) -> Tensor:
    """`drop` with a given seed, without a gradient.

    Args:
        x: float32, any shape; entries are numbered in the order of rows.
        seed: from 0 to 2^63 - 1.
        p: as in `drop`.
        scale: as in `drop`.
    """
    x = x.contiguous()
    made = torch.empty_like(x)
    bf16.call("dropout_float32", x.numel(), x, seed, round((1 - p) * 2**32), float(scale), made, work=10 * x.numel())
    return made


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, seed: int, p: float, scale: float) -> Tensor:
        ctx.mask = seed, p, scale
        return dropped(weight, seed, p, scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return _Drop.apply(gradient, *ctx.mask), None, None, None  # type: ignore[no-untyped-call]
