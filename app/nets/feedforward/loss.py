"""Loss, gradients and logits of feed-forward networks by the compiled library, as functions of PyTorch."""

# B examples of a batch, C classes.

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from app.nets.feedforward.layers import linear_layers, usable
from app.nets.feedforward.native import GRADIENTS, WORTH_LOOKING, WRONG_LABEL, Network, Pair, Rule, library


def layers_for(net: nn.Module, images: Tensor) -> list[nn.Linear] | None:
    """The layers of a network that the compiled code can compute here, for these images; None if it cannot."""
    layers = linear_layers(net)
    return layers if layers is not None and usable(layers, images) and library() is not None else None


def logits_of(layers: Sequence[nn.Linear], images: Tensor) -> Tensor:
    """The logits (B, C) of images (B, ...), without gradients."""
    network = Network(layers)
    if len(images) >= WORTH_LOOKING:
        network.leave_out_zeros()
    return network.logits(images)


def cross_entropy(layers: Sequence[nn.Linear], images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor] | None:
    """The mean cross-entropy of a batch, which can be differentiated, and its logits (B, C), which cannot.

    The gradients are computed with it.

    Args:
        layers: from `layers_for` these images.
        images: (B, ...).
        labels: int64 (B,).

    Returns:
        None where labels are something else, or some are no classes: PyTorch knows what that means.
    """
    if labels.dtype != torch.int64 or labels.shape != (len(images),) or labels.device != images.device:
        return None
    gradients = [Pair(torch.empty_like(each.weight), torch.empty_like(each.bias)) for each in layers]
    loss, logits = Network(layers, gradients=gradients).step(images, labels, Rule(kind=GRADIENTS))
    if loss == WRONG_LABEL:
        return None
    parameters = [parameter for layer in layers for parameter in (layer.weight, layer.bias)]
    found = _CrossEntropy.apply(images.new_tensor(loss), gradients, images, labels, *parameters)  # type: ignore[no-untyped-call]
    return found, logits


class _CrossEntropy(torch.autograd.Function):
    """A loss whose gradients are known."""

    @staticmethod
    def forward(
        ctx: Any, loss: Tensor, gradients: list[Pair], images: Tensor, labels: Tensor, *parameters: Tensor
    ) -> Tensor:
        ctx.gradients = [gradient for pair in gradients for gradient in pair]
        ctx.save_for_backward(images, labels, *parameters)
        return loss

    @staticmethod
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:
        images, labels, *parameters = ctx.saved_tensors
        # Handed over, so that they become those of the parameters without a copy.
        found, ctx.gradients = ctx.gradients, None
        # Grad mode is on here only if the gradient itself is differentiated (create_graph=True).
        if found is None or torch.is_grad_enabled():
            again = torch.is_grad_enabled()
            with torch.enable_grad():
                loss = F.cross_entropy(eager_logits(parameters, images), labels)
            return None, None, None, None, *torch.autograd.grad(loss, parameters, d_loss, create_graph=again)
        if d_loss != 1:
            found = [gradient.mul_(d_loss) for gradient in found]
        return None, None, None, None, *found


def eager_logits(parameters: Sequence[Tensor], images: Tensor) -> Tensor:
    """The same network in operations of PyTorch: the reference.

    Args:
        parameters: weight and bias of every layer.
        images: (B, ...).
    """
    values = images.flatten(1)
    for number in range(0, len(parameters), 2):
        values = F.linear(values if number == 0 else torch.relu(values), parameters[number], parameters[number + 1])
    return values
