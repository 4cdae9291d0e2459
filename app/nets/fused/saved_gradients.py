"""Gradients of a loss that were computed and saved with it."""

from typing import Any

from torch import Tensor


def scaled_gradients(ctx: Any, factor: Tensor) -> tuple[Tensor | None, ...]:
    """What `backward` returns of a function of features, weight, bias and targets that has saved its gradients.

    Args:
        ctx: of the autograd function; its saved tensors are the gradients of the first three.
        factor: (), by which they are multiplied.

    Returns:
        The gradients that are needed, and None for the others and for the targets.
    """
    gradients = [
        gradient * factor if needed else None
        for gradient, needed in zip(ctx.saved_tensors, ctx.needs_input_grad[:3], strict=True)
    ]
    return (*gradients, None)
