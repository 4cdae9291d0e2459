"""Adam and the mask of the gradients in one pass over memory, which is what bounds stacked networks on a GPU."""

from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.optim import Adam
from typing_extensions import override

BLOCK = 1024  # numbers of one program


class MaskedAdam(Adam):
    """torch's Adam on one tensor whose gradient is masked: the same update, and the same state.

    The powers of the betas are on the device, so that a CUDA graph of a step is right at every step.

    Args:
        parameter: float32, contiguous, of a multiple of 16 numbers.
        mask: bool, of its shape.
        arguments: Adam's.
    """

    def __init__(self, parameter: Tensor, mask: Tensor, **arguments: Any) -> None:
        super().__init__([parameter], **arguments | {"fused": True, "foreach": False, "capturable": True})
        self._mask = mask.view(torch.uint8)
        group = self.param_groups[0]
        betas = group["betas"]
        # steps, beta1 ** steps, beta2 ** steps; float64, because 1 - beta2 ** 1 is 0.001
        self._powers = torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64, device=parameter.device)
        self._factors = torch.tensor([1.0, *betas], dtype=torch.float64, device=parameter.device)
        self._added = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64, device=parameter.device)
        state = self.state[parameter]
        state["step"] = self._powers[:1].to(torch.float32)[0]
        state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)

    @override
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update the parameter; masked numbers stay what they are."""
        group = self.param_groups[0]
        parameter = group["params"][0]
        state = self.state[parameter]
        torch.addcmul(self._added, self._powers, self._factors, out=self._powers)
        numbers = parameter.numel()
        _update[(triton.cdiv(numbers, BLOCK),)](
            parameter,
            parameter.grad,
            state["exp_avg"],
            state["exp_avg_sq"],
            self._mask,
            self._powers,
            numbers,
            float(group["lr"]),
            # Subtracted here, in double precision: of 1 - 0.999 single precision leaves five digits.
            *(1.0 - beta for beta in group["betas"]),
            float(group["betas"][1]),
            float(group["eps"]),
            float(group["weight_decay"]),
            decoupled=bool(group.get("decoupled_weight_decay", False)),
            block=BLOCK,
        )

    @override
    def state_dict(self) -> dict[str, Any]:
        """That of torch's Adam."""
        for state in self.state.values():
            state["step"] = self._powers[0].to(torch.float32)
        return super().state_dict()

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        steps = next(iter(self.state.values()))["step"].double()
        self._powers.copy_(torch.stack([steps, *(self._factors[1:] ** steps)]))


@triton.jit  # type: ignore[untyped-decorator]
def _update(  # type: ignore[no-untyped-def]
    weights,
    gradients,
    means,
    squares,
    mask,
    powers,
    numbers,
    rate,
    share1,
    share2,
    beta2,
    eps,
    decay,
    decoupled: tl.constexpr,
    block: tl.constexpr,
):
    at = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    there = at < numbers
    first = (1.0 - tl.load(powers + 1)).to(tl.float32)
    second = tl.sqrt((1.0 - tl.load(powers + 2)).to(tl.float32))
    kept = tl.load(mask + at, there, other=0) != 0
    weight = tl.load(weights + at, there, other=0.0)
    gradient = tl.load(gradients + at, there, other=0.0)
    mean = tl.load(means + at, there, other=0.0)
    square = tl.load(squares + at, there, other=0.0)
    if decoupled:
        weight = weight - rate * decay * weight
    else:
        gradient = gradient + decay * weight
    gradient = tl.where(kept, gradient, 0.0)
    mean = mean + share1 * (gradient - mean)
    square = beta2 * square + share2 * gradient * gradient
    weight = weight - (rate / first) * mean / (tl.sqrt(square) / second + eps)
    tl.store(weights + at, weight, there)
    tl.store(means + at, mean, there)
    tl.store(squares + at, square, there)
