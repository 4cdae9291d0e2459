"""Which layer reads the units of which, and what happens to a unit on the way: from a trace of the forward pass.

A unit is an output of a linear layer or a channel of a convolution. A path is found where every step between the two
layers treats each unit by itself: activations, batch norm, poolings, dropout, flattening. Where a layer's output goes
elsewhere, such as into a sum around a block, or out of the network, it has no path.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from app.common.errors import UserError, first_line

Layer: TypeAlias = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
Step: TypeAlias = Callable[[Tensor], Tensor]

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
# Of one number each: what they make of a constant is a constant.
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.Softplus)
ACTIVATION_FUNCTIONS = (
    *(torch.relu, F.relu, F.relu6, F.leaky_relu, F.elu, F.gelu, F.silu, torch.sigmoid, torch.tanh, F.sigmoid, F.tanh),
)
ACTIVATION_METHODS = ("relu", "sigmoid", "tanh")
# What leaves a constant channel the constant that it was; dropout, in evaluation.
UNCHANGING = (
    *(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
    *(nn.MaxPool1d, nn.MaxPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d),
)
UNCHANGING_FUNCTIONS = (F.max_pool1d, F.max_pool2d, F.adaptive_avg_pool1d, F.adaptive_avg_pool2d)
AVERAGES = (nn.AvgPool1d, nn.AvgPool2d)  # unchanging without padding
DROPOUTS = (F.dropout, F.dropout1d, F.dropout2d, F.dropout3d)


@dataclass
class UnitPath:
    """What lies between a layer and the one that reads its units.

    Args:
        layer: whose units these are.
        steps: what happens to each on the way, in order; batch norms are among them.
        reader: the layer that reads them; a linear one after a convolution reads the places of a channel one by one.
    """

    layer: Layer
    steps: list[Step]
    reader: Layer

    @property
    def norms(self) -> list[Any]:
        """The batch norms on the way."""
        return [step for step in self.steps if isinstance(step, NORMS)]


def unit_paths(net: nn.Module) -> dict[str, UnitPath]:
    """The paths of a net, by name of the layer, in the order of the forward pass.

    Args:
        net: in evaluation mode.

    Raises:
        UserError: the net is recurrent, or its forward pass asks for values of what it computes, so that it cannot be
            traced.
    """
    modules = dict(net.named_modules())
    for name, module in modules.items():
        if isinstance(module, nn.RNNBase | nn.RNNCellBase) or hasattr(module, "weight_hh"):
            raise UserError(f"{name or type(net).__name__} is recurrent, and recurrent layers keep all their units")
    try:
        graph = fx.Tracer().trace(net)
    except Exception as error:  # whatever a forward pass does with what it takes for a tensor
        raise UserError(f"{type(net).__name__} cannot be traced ({first_line(error)})") from None
    called = [node.target for node in graph.nodes if node.op == "call_module"]
    once = {name: module for name, module in modules.items() if called.count(name) == 1 and _owns_weight(module, net)}
    paths = (_path(node, modules, once) for node in graph.nodes if node.op == "call_module" and node.target in once)
    return {name: path for name, path in paths if path is not None}


def _owns_weight(module: nn.Module, net: nn.Module) -> bool:
    """Whether this is a layer that can lose units and shares its weight with no other."""
    if not (isinstance(module, nn.Linear) or (isinstance(module, CONVOLUTIONS) and module.groups == 1)):
        return False
    owners = [each for each in net.modules() if any(p is module.weight for p in each.parameters(recurse=False))]
    return len(owners) == 1


def _path(node: fx.Node, modules: Mapping[str, nn.Module], layers: Mapping[str, Any]) -> tuple[str, UnitPath | None]:
    """The path that begins at a layer's node; None where there is none."""
    name, layer = str(node.target), layers[str(node.target)]
    steps: list[Step] = []
    flattened = False
    while len(node.users) == 1:
        source, node = node, next(iter(node.users))
        if any(argument is not source and isinstance(argument, fx.Node) for argument in node.all_input_nodes):
            break
        if node.op == "call_module" and node.target in layers:
            reader = layers[str(node.target)]
            return name, UnitPath(layer, steps, reader) if _fits(layer, reader, flattened=flattened) else None
        flattened = flattened or _flattens(node, modules)
        if not _flattens(node, modules):
            if (step := _step(node, modules)) is None:
                break
            steps.append(step)
    return name, None


def _fits(layer: Layer, reader: Layer, *, flattened: bool) -> bool:
    """Whether it is known which inputs of the reader are those of a unit."""
    units, inputs = len(layer.weight), reader.weight.shape[1]
    if isinstance(layer, nn.Linear):
        return isinstance(reader, nn.Linear) and inputs == units
    if isinstance(reader, nn.Linear):
        return flattened and inputs % units == 0
    return inputs == units


def _flattens(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    """Whether it makes one dimension of all but the first."""
    if node.op == "call_module":
        module = modules[str(node.target)]
        return isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) == (1, -1)
    if node.target not in (torch.flatten, "flatten"):
        return False
    given = dict(zip(("start_dim", "end_dim"), node.args[1:], strict=False)) | node.kwargs
    return (given.get("start_dim", 0), given.get("end_dim", -1)) == (1, -1)


def _step(node: fx.Node, modules: Mapping[str, nn.Module]) -> Step | None:
    """What a node does to the values of units; None where it is not known to treat each by itself."""
    if node.op == "call_module":
        module = modules[str(node.target)]
        known = isinstance(module, ACTIVATIONS) or (isinstance(module, NORMS) and module.running_mean is not None)
        if known:
            return module
        averages = isinstance(module, AVERAGES) and module.padding in (0, (0,), (0, 0))
        return _same if isinstance(module, UNCHANGING) or averages else None
    arguments, options = node.args[1:], dict(node.kwargs)
    if node.op == "call_method":
        method = str(node.target)
        return (lambda value: getattr(value, method)()) if method in ACTIVATION_METHODS and not arguments else None
    if node.target in ACTIVATION_FUNCTIONS:
        function: Any = node.target
        return lambda value: function(value, *arguments, **options)
    if node.target in DROPOUTS:
        return _same if (*arguments, True, True)[1] is False or options.get("training") is False else None
    return _same if node.target in UNCHANGING_FUNCTIONS else None


def _same(value: Tensor) -> Tensor:
    return value
