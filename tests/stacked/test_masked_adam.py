"""Adam with a mask in one kernel: on a GPU where there is one, else in Triton's interpreter."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Adam, AdamW

pytest.importorskip("triton", reason="Triton is not installed")

from app.common.seeds import generator
from app.stacked.masked_adam import MaskedAdam

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def pair(kind: type[Adam], **arguments: Any) -> tuple[MaskedAdam, Adam, torch.Tensor]:
    """Ours and torch's, each with a parameter of two networks."""
    start = torch.randn(2, 1040, generator=generator(0)).to(DEVICE)
    masks = (torch.rand(2, 1040, generator=generator(1)) < 0.5).to(DEVICE)
    ours, theirs = nn.Parameter(start * masks), nn.Parameter(start * masks)
    masked = MaskedAdam(ours, masks, lr=1e-2, decoupled_weight_decay=kind is AdamW, **arguments)
    return masked, kind([theirs], lr=1e-2, **arguments), masks


def step(ours: Adam, theirs: Adam, masks: torch.Tensor, steps: range) -> None:
    for number in steps:
        gradient = torch.randn(masks.shape, generator=generator(2, number)).to(DEVICE)
        parameter(ours).grad, parameter(theirs).grad = gradient, gradient * masks
        ours.step()
        theirs.step()


def parameter(optimizer: Adam) -> nn.Parameter:
    found: nn.Parameter = optimizer.param_groups[0]["params"][0]
    return found


@pytest.mark.parametrize(
    ("kind", "arguments"), [(Adam, {}), (Adam, {"weight_decay": 0.1}), (AdamW, {"weight_decay": 0.1})]
)
def test_updates_as_torch_and_masked_weights_stay_zero(kind: type[Adam], arguments: dict[str, Any]) -> None:
    ours, theirs, masks = pair(kind, **arguments)
    step(ours, theirs, masks, range(10))
    torch.testing.assert_close(parameter(ours), parameter(theirs), rtol=1e-5, atol=1e-6)
    assert not parameter(ours).detach()[~masks].any()


def test_its_state_is_torchs() -> None:
    """So that a training begun on a GPU with the kernel goes on without it, and the other way round."""
    ours, theirs, masks = pair(Adam)
    step(ours, theirs, masks, range(5))
    again, other, _ = pair(Adam)
    parameter(again).data.copy_(parameter(theirs).data)
    parameter(other).data.copy_(parameter(ours).data)
    # Copies, as from a file: loading takes over the tensors.
    again.load_state_dict(copy.deepcopy(theirs.state_dict()))
    state = copy.deepcopy(ours.state_dict())
    other.load_state_dict({"state": state["state"], "param_groups": other.state_dict()["param_groups"]})
    step(again, other, masks, range(5, 10))
    step(ours, theirs, masks, range(5, 10))
    torch.testing.assert_close(parameter(again), parameter(theirs), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(parameter(other), parameter(theirs), rtol=1e-5, atol=1e-6)
