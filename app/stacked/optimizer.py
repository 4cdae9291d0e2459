"""One optimiser for N networks: exact for each where an update is by element."""

import functools
import inspect
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from app.common import gpu_kernels
from app.common.errors import UserError

log = logging.getLogger(__name__)


# Each weight's update depends on its own gradients alone: one tensor of all networks does what one for each would do.
BY_ELEMENT: tuple[type[Optimizer], ...] = (Adam, AdamW, SGD)


@dataclass(frozen=True, slots=True)
class Clipping:
    """How gradients are clipped, as Lightning does.

    Args:
        value: the largest norm, or the largest absolute value.
        algorithm: which of the two.
    """

    value: float
    algorithm: Literal["norm", "value"] = "norm"

    def apply_(self, gradients: Tensor) -> None:
        """Clip the gradients (N, P), each network's by itself."""
        if self.algorithm == "value":
            gradients.clamp_(-self.value, self.value)
            return
        norms = torch.linalg.vector_norm(gradients, dim=1, keepdim=True)
        gradients.mul_((self.value / (norms + 1e-6)).clamp_(max=1))


def stacked_optimizer(
    make: Callable[[Iterable[nn.Parameter]], Optimizer], flat: nn.Parameter, masks: Tensor | None = None
) -> tuple[Optimizer, bool]:
    """The optimiser of a configuration, for the parameters (N, P) of N networks.

    On a GPU it does an update in one pass, and within a CUDA graph.

    Args:
        make: makes the optimiser of one network from its parameters.
        flat: the parameters.
        masks: bool (N, P), on the same device, if the optimiser may mask the gradients.

    Returns:
        The optimiser, and whether it masks the gradients.

    Raises:
        UserError: an optimiser that is not known to treat every weight by itself.
    """
    example = make([nn.Parameter(torch.zeros(1))])
    if type(example) not in BY_ELEMENT or len(example.param_groups) != 1:
        known = ", ".join(kind.__name__ for kind in BY_ELEMENT)
        raise UserError(
            f"networks with the optimiser {type(example).__name__} cannot be trained at once; choose one of {known}, or"
            " --pruning.stack 1"
        )
    own = {name: value for name, value in example.param_groups[0].items() if name in example.defaults}
    if different := [name for name, value in own.items() if value != example.defaults[name]]:
        raise UserError(
            f"the optimiser has another {different[0]} for a group of parameters than for all; networks trained at once"
            " have one for all: give it as an argument of the optimiser, or choose --pruning.stack 1"
        )
    kind: Any = type(example)
    arguments = {name: value for name, value in example.defaults.items() if name in inspect.signature(kind).parameters}
    if flat.device.type == "cuda":
        plain = kind is not SGD and flat.dtype == torch.float32 and not example.defaults["amsgrad"]
        if masks is not None and plain and not example.defaults["maximize"] and _masked_adam_works(flat.device):
            return _masked_adam(kind, flat, masks, arguments), True
        arguments |= {"fused": True, "foreach": False}
        arguments |= {"capturable": True} if "capturable" in arguments else {}
    optimizer: Optimizer = kind([flat], **arguments)
    return optimizer, False


def _masked_adam(kind: type[Optimizer], flat: nn.Parameter, masks: Tensor, arguments: dict[str, Any]) -> Optimizer:
    from app.stacked.masked_adam import MaskedAdam

    return MaskedAdam(flat, masks, **arguments | {"decoupled_weight_decay": kind is AdamW})


def _masked_adam_works(device: torch.device) -> bool:
    """Whether our kernel is switched on and works on this GPU."""
    return gpu_kernels.chosen() and not _reason_against_kernel(device)


@functools.cache
def _reason_against_kernel(device: torch.device) -> str:
    """Compile the kernel and compare a few steps with torch's; log one line if it cannot be used."""
    try:
        reason = _trial(device)
    except Exception as error:  # no Triton, no compiler, an unknown card: all mean the same
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
    if reason:
        log.warning("Stacked networks mask their gradients in a pass of its own, more slowly: %s", reason)
    return reason


def _trial(device: torch.device) -> str:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(3, 16 * 100, generator=generator).to(device)
    masks = torch.rand(start.shape, generator=generator).to(device) < 0.5
    for kind in (Adam, AdamW):
        flat, expected = (nn.Parameter(start * masks) for _ in range(2))
        arguments: dict[str, Any] = {"lr": 1e-2, "weight_decay": 0.1}
        ours, theirs = _masked_adam(kind, flat, masks, arguments), kind([expected], **arguments)
        for _ in range(10):
            gradient = torch.randn(start.shape, generator=generator).to(device)
            flat.grad, expected.grad = gradient, gradient * masks
            ours.step()
            theirs.step()
        difference = float((flat - expected).detach().abs().max())
        if not difference < 1e-5:
            return f"its results differ from torch's by {difference:.1e}"
    return ""
