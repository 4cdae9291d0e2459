"""Products of a Hessian without the Hessian (Pearlmutter 1994), and cross-entropies with a temperature."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from typing_extensions import override


class DividedLogits(TorchFunctionMode):
    """While it is entered, `torch.nn.functional.cross_entropy` divides its logits by a temperature.

    So does `torch.nn.CrossEntropyLoss`, which calls it.

    Args:
        temperature: what they are divided by.

    Attributes:
        calls: how many cross-entropies there were.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature, self.calls = temperature, 0

    @override
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if func is F.cross_entropy:
            self.calls += 1
            if args:
                args = (args[0] / self.temperature, *args[1:])
            else:
                named["input"] = named["input"] / self.temperature
        return func(*args, **named)


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
