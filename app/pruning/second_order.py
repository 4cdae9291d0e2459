"""Products of a Hessian without the Hessian (Pearlmutter 1994)."""

from collections.abc import Sequence

import torch
from torch import Tensor


def hessian_gradient(loss: Tensor, weights: Sequence[Tensor]) -> list[Tensor | None]:
    """H g, where g is the gradient of a loss with respect to some weights and H its Hessian with respect to them.

    Computed as the gradient of the product of g, held fixed, with g.

    Args:
        loss: a number that can be differentiated twice.
        weights: leaves that it depends on; their `grad` is replaced.

    Returns:
        One tensor for each of `weights`, of its shape; None where the product does not depend on it.

    Raises:
        RuntimeError: the loss cannot be differentiated twice.
    """
    gradients = torch.autograd.grad(loss, weights, create_graph=True, allow_unused=True)
    known = [each for each in gradients if each is not None and each.requires_grad]
    if not known:
        return [None] * len(weights)
    product = torch.stack([(each.detach() * each).sum() for each in known]).sum()
    for each in weights:
        each.grad = None
    # `torch.autograd.grad` would leave out what can be differentiated once only, where this raises an error.
    product.backward()  # type: ignore[no-untyped-call]
    return [each.grad for each in weights]
