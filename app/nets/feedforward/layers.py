"""Which networks and tensors the compiled code can take."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from app.nets.lenet import LeNet

MOST_LAYERS = 16
WIDEST = 65_535  # inputs and outputs of a layer: columns of the weight, and of its transpose, are written in 16 bits
PRECISIONS = (torch.float32, torch.float64)
# Private to torch. In a release without the first two, transforms raise their own error, and what watches functions
# does not see those of the compiled code; without the third, hooks of all modules are not called.
_transforms_active: Callable[[], bool] = getattr(torch._C, "_are_functorch_transforms_active", lambda: False)
_modes: Callable[[], int] = getattr(torch._C, "_len_torch_function_stack", lambda: 0)
_has_global_hook: Callable[[], bool] = getattr(nn.modules.module, "_has_any_global_hook", lambda: False)
HOOKS = (
    *("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"),
    "_forward_hooks_with_kwargs",
)


def linear_layers(net: nn.Module) -> list[nn.Linear] | None:
    """The layers of a network that is nothing but linear layers with ReLU between them; None for any other.

    It is a `LeNet`, or an `nn.Sequential` of `nn.Linear` and `nn.ReLU` in turns, which may begin with `nn.Flatten`. All
    parameters are trained, and no module has hooks.
    """
    if type(net) is LeNet:
        layers: list[nn.Module] = [net.fc1, net.fc2, net.output]
    elif type(net) is nn.Sequential:
        layers = list(net)
        if layers and type(layers[0]) is nn.Flatten and (layers[0].start_dim, layers[0].end_dim) == (1, -1):
            layers = layers[1:]
        if any(type(each) is not nn.ReLU for each in layers[1::2]):
            return None
        layers = layers[::2] if len(layers) % 2 else []
    else:
        return None
    linear = [each for each in layers if type(each) is nn.Linear]
    if not 1 <= len(linear) == len(layers) <= MOST_LAYERS or len({id(each) for each in linear}) < len(linear):
        return None
    widest = max(max(each.in_features, each.out_features) for each in linear)
    if widest > WIDEST or any(each.bias is None or not _is_trained(each) for each in linear):
        return None
    fit = all(one.out_features == other.in_features for one, other in pairwise(linear))
    tied = len({id(parameter) for each in linear for parameter in each.parameters()}) < 2 * len(linear)
    if not fit or tied or any(getattr(each, name, None) for each in net.modules() for name in HOOKS):
        return None
    return linear


def _is_trained(layer: nn.Linear) -> bool:
    return all(type(each) is nn.Parameter and each.requires_grad for each in (layer.weight, layer.bias))


def usable(layers: Sequence[nn.Linear], images: Tensor) -> bool:
    """Whether the compiled code can take these tensors here: on a CPU, all of one precision, and nothing traces them.

    Compilers, tracers, function transforms and modes need the operations of PyTorch, and autocast asks for others.
    """
    precision = layers[0].weight.dtype
    if (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        or _transforms_active()
        or _modes()
        or _has_global_hook()
        or torch.is_autocast_enabled("cpu")
        or torch.is_anomaly_enabled()
    ):
        return False
    return (
        precision in PRECISIONS
        and type(images) is Tensor
        and images.dtype == precision
        and not images.requires_grad
        and images.device.type == "cpu"
        and images.ndim >= 2
        and len(images) > 0
        and images[0].numel() == layers[0].in_features
        and all(_is_plain(each, precision) for layer in layers for each in (layer.weight, layer.bias))
    )


def _is_plain(parameter: Tensor, precision: torch.dtype) -> bool:
    return (
        type(parameter) is nn.Parameter
        and parameter.device.type == "cpu"
        and parameter.dtype == precision
        and parameter.layout == torch.strided
        and parameter.is_contiguous()
    )
