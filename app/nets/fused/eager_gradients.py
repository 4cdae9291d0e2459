"""Gradients of a recurrent layer that can be differentiated again."""

# T time, B batch, H hidden units.

from collections.abc import Callable

import torch
from torch import Tensor

# What reading a sequence returns: outputs (T, B, H), the last c (B, H), distances (T, B).
Read = tuple[Tensor, Tensor, Tensor]
# Of x, weight_ih, bias, weight_hh, h and c.
Eager = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Read]


def eager_gradients(
    eager: Eager, tensors: list[Tensor], needed: tuple[bool, ...], d_outputs: Tensor | None, d_last_c: Tensor | None
) -> list[Tensor | None]:
    """The same gradients with a graph, so that they can be differentiated again, from the eager function."""
    # Views, because a tensor that is passed twice, such as the zeros for h and c, must count as two inputs.
    inputs = [one.view_as(one) for one in tensors]
    outputs, last_c, _ = eager(*inputs)
    pairs = [(value, grad) for value, grad in ((outputs, d_outputs), (last_c, d_last_c)) if grad is not None]
    if not pairs:
        return [None] * len(needed)
    wanted = [one for one, needs in zip(inputs, needed, strict=True) if needs]
    values, grads = zip(*pairs, strict=True)
    found = iter(torch.autograd.grad(values, wanted, grads, create_graph=True, allow_unused=True))
    return [next(found) if needs else None for needs in needed]
