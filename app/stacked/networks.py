"""Forward and backward of N networks of one architecture."""

# N networks, B images of a batch, C classes.

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap
from typing_extensions import override

from app.common.errors import UserError, first_line
from app.nets import LeNet
from app.stacked.flat import FlatLayout

Tensors = dict[str, Tensor]

_aten = torch.ops.aten


class StackedNetworks(ABC):
    """N networks whose parameters are given with every call.

    Args:
        net: one of them.
        states: the state of each, by the names that tensors have in `net`; what a state lacks is as in `net`.

    Attributes:
        layout: of the parameters of one network.
        buffers: (N, ...) by name, such as the running means of batch norm.
    """

    def __init__(self, net: nn.Module, states: Sequence[Mapping[str, Tensor]]) -> None:
        self.layout = FlatLayout(dict(net.named_parameters()))
        self.buffers: Tensors = {
            name: torch.stack([state.get(name, buffer).detach() for state in states])
            for name, buffer in net.named_buffers()
        }

    @abstractmethod
    def backward(self, parameters: Tensors, gradients: Tensors, images: Tensor, labels: Tensor) -> Tensor:
        """Gradients of each network's mean cross-entropy.

        Args:
            parameters: (N, *shape) by name.
            gradients: the same shapes; overwritten.
            images: (N, B, ...).
            labels: int64 (N, B).

        Returns:
            The logarithms of the probabilities, (N, B, C), without a graph.
        """

    @abstractmethod
    def logits(self, parameters: Tensors, buffers: Tensors, images: Tensor) -> Tensor:
        """Logits (N, B, C) in evaluation; of images (B, ...), which are the same for all networks."""


class StackedLeNets(StackedNetworks):
    """LeNets by batched products, with the gradient written out: few operations, whatever the number of networks."""

    def __init__(self, net: nn.Module, states: Sequence[Mapping[str, Tensor]]) -> None:
        super().__init__(net, states)
        self._slopes: dict[Any, Tensor] = {}

    @override
    @torch.no_grad()
    def backward(self, parameters: Tensors, gradients: Tensors, images: Tensor, labels: Tensor) -> Tensor:
        p, inputs = parameters, images.flatten(2)
        first = _layer(p, "fc1", inputs).relu_()
        second = _layer(p, "fc2", first).relu_()
        logs = F.log_softmax(_layer(p, "output", second), 2)
        slopes = self._slope(logs, labels.shape[1]).index_select(0, labels.flatten()).view_as(logs)
        wrong = _aten._log_softmax_backward_data(slopes, logs, 2, logs.dtype)
        _layer_gradient(gradients, "output", wrong, second)
        wrong = _aten.threshold_backward(torch.bmm(wrong, p["output.weight"]), second, 0)
        _layer_gradient(gradients, "fc2", wrong, first)
        wrong = _aten.threshold_backward(torch.bmm(wrong, p["fc2.weight"]), first, 0)
        _layer_gradient(gradients, "fc1", wrong, inputs)
        return logs

    def _slope(self, logs: Tensor, images: int) -> Tensor:
        """The derivative of the mean loss by the logarithms of the probabilities, a row for each label: (C, C)."""
        which = images, logs.shape[2], logs.dtype, logs.device
        if which not in self._slopes:
            self._slopes[which] = torch.eye(logs.shape[2], dtype=logs.dtype, device=logs.device) / -images
        return self._slopes[which]

    @override
    @torch.no_grad()
    def logits(self, parameters: Tensors, buffers: Tensors, images: Tensor) -> Tensor:
        networks = len(parameters["fc1.bias"])
        inputs = images.flatten(1).expand(networks, -1, -1)
        first = _layer(parameters, "fc1", inputs).relu_()
        second = _layer(parameters, "fc2", first).relu_()
        return _layer(parameters, "output", second)


class StackedByVmap(StackedNetworks):
    """Any networks that `torch.func.vmap` takes: no random draws, no control flow by values."""

    def __init__(self, net: nn.Module, states: Sequence[Mapping[str, Tensor]]) -> None:
        super().__init__(net, states)
        self.net = net
        self._training = copy.deepcopy(net).train()
        self._evaluation = copy.deepcopy(net).eval()

    @override
    def backward(self, parameters: Tensors, gradients: Tensors, images: Tensor, labels: Tensor) -> Tensor:
        leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
        with torch.enable_grad():
            logits = vmap(self._forward(self._training))(leaves, self.buffers, images)
            logs = F.log_softmax(logits, 2)
            # The sum: no network's loss depends on another network's parameters.
            loss = -logs.gather(2, labels.unsqueeze(2)).mean((1, 2)).sum()
            found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        for into, gradient in zip(gradients.values(), found, strict=True):
            into.copy_(gradient) if gradient is not None else into.zero_()
        return logs.detach()

    @override
    @torch.no_grad()
    def logits(self, parameters: Tensors, buffers: Tensors, images: Tensor) -> Tensor:
        found: Tensor = vmap(self._forward(self._evaluation), in_dims=(0, 0, None))(parameters, buffers, images)
        return found

    def try_out(self, images: Tensor) -> None:
        """A forward pass in training, of which nothing stays."""
        parameters = {name: value.detach()[None] for name, value in self.net.named_parameters()}
        buffers = {name: value.detach().clone()[None] for name, value in self.net.named_buffers()}
        some = next(iter(parameters.values()))
        vmap(self._forward(self._training))(parameters, buffers, images[None].to(some))

    @staticmethod
    def _forward(net: nn.Module):  # type: ignore[no-untyped-def]
        def forward(parameters: Tensors, buffers: Tensors, images: Tensor) -> Tensor:
            logits: Tensor = functional_call(net, (parameters, buffers), (images,))
            return logits

        return forward


def check_stackable(networks: StackedNetworks, image: Tensor) -> None:
    """Check that networks go through vmap, and draw nothing at random.

    Args:
        networks: to train.
        image: one example, with a batch dimension of 1.

    Raises:
        UserError: they do not.
    """
    if not isinstance(networks, StackedByVmap):
        return
    name = type(networks.net).__name__
    try:
        networks.try_out(image.expand(2, *image.shape[1:]))
    except RuntimeError as error:
        reason = first_line(error)
        why = "it draws at random" if "random" in reason else f"torch.func.vmap does not take it ({reason})"
        raise UserError(f"{name} cannot be trained at once with others: {why}; choose --pruning.stack 1") from None


def stack(net: nn.Module, states: Sequence[Mapping[str, Tensor]]) -> StackedNetworks:
    """The fastest way to train networks at once.

    Args:
        net: one of them, on the CPU.
        states: the state of each, by name.
    """
    hooked = any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    return StackedLeNets(net, states) if type(net) is LeNet and not hooked else StackedByVmap(net, states)


def _layer(parameters: Tensors, name: str, inputs: Tensor) -> Tensor:
    return torch.baddbmm(parameters[f"{name}.bias"].unsqueeze(1), inputs, parameters[f"{name}.weight"].mT)


def _layer_gradient(gradients: Tensors, name: str, wrong: Tensor, inputs: Tensor) -> None:
    torch.bmm(wrong.mT, inputs, out=gradients[f"{name}.weight"])
    torch.sum(wrong, 1, out=gradients[f"{name}.bias"])
