"""Removes units that a mask has cut off: those with no way in, which are constant, and those with no way out."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from app.pruning.unit_paths import CONVOLUTIONS, NORMS, Layer, UnitPath, unit_paths


class Sizes(NamedTuple):
    """Units of a layer, before and after."""

    before: int
    after: int


@torch.no_grad()
def compact(net: nn.Module) -> dict[str, Sizes]:
    """Remove units that zeros among the weights have cut off, in place; what the net puts out stays the same.

    A unit that nothing enters is a constant, which goes into the biases of the layer that reads it. Where that is a
    convolution which pads with zeros, a constant does not reach its border: of several such units one stays and stands
    for all. A unit that nothing reads goes. This is repeated until nothing more does; one unit of each layer stays.

    Args:
        net: in evaluation mode, on the CPU; its shrunk layers have new Parameters.

    Returns:
        Numbers of units by name of the layer, for all layers that could lose some.

    Raises:
        UserError: the net is recurrent, or cannot be traced.
    """
    paths = unit_paths(net)
    before = {name: len(path.layer.weight) for name, path in paths.items()}
    while any(_shrink(path) for path in paths.values()):
        pass
    return {name: Sizes(before[name], len(path.layer.weight)) for name, path in paths.items()}


@torch.no_grad()
def resize(net: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give the layers of a net the sizes that they have in a state, in place, so that it can be loaded.

    Args:
        net: with the architecture of a net that `compact` has shrunk; its resized layers have new Parameters.
        state: of that net, by name.
    """
    for name, module in net.named_modules():
        prefix = f"{name}." if name else ""
        if isinstance(module, (nn.Linear, *CONVOLUTIONS)) and (weight := state.get(f"{prefix}weight")) is not None:
            bias = state.get(f"{prefix}bias")
            if weight.shape != module.weight.shape or (bias is None) != (module.bias is None):
                _set(module, weight.to(module.weight), None if bias is None else bias.to(module.weight))
        if isinstance(module, NORMS) and (mean := state.get(f"{prefix}running_mean")) is not None:
            _take(module, torch.zeros(len(mean), dtype=torch.int64))


def _shrink(path: UnitPath) -> bool:
    """Remove what can go of one layer; whether anything has gone."""
    layer, reader = path.layer, path.reader
    columns = _by_unit(reader, len(layer.weight))
    unread = ~(columns != 0).transpose(0, 1).flatten(1).any(1)
    constant = ~(layer.weight != 0).flatten(1).any(1) & ~unread
    values = _constants(path)
    gone = constant & (values == 0) if _pads_with_zeros(reader) else constant
    left = (constant & ~gone).nonzero()[:, 0]
    if len(left) > 1:  # the largest stands for all of them
        largest = left[values[left].abs().argmax()]
        columns[:, largest] = torch.einsum("ou...,u->o...", columns[:, left], values[left] / values[largest])
        unread[left] = left != largest
    stays = ~(unread | gone)
    if not stays.any():
        stays[0], gone[0] = True, False
    if bool(stays.all()):
        return False
    shift = torch.einsum("oup,u->o", columns[:, gone].flatten(2), values[gone])
    bias = reader.bias
    if bool(shift.any()):
        bias = shift if bias is None else bias + shift
    _set(reader, columns[:, stays].flatten(1, 2), bias)
    _set(layer, layer.weight[stays], None if layer.bias is None else layer.bias[stays])
    for norm in path.norms:
        _take(norm, stays.nonzero()[:, 0])
    return True


def _by_unit(reader: Layer, units: int) -> Tensor:
    """A reader's weight by unit that it reads, a view: (outputs, units, places of a flattened channel, kernel...)."""
    weight = reader.weight.data
    return weight.view(len(weight), units, -1, *weight.shape[2:])


def _constants(path: UnitPath) -> Tensor:
    """(units,), what the reader sees of each unit if nothing enters it."""
    layer = path.layer
    value = layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias.clone()
    value = value.view(1, -1, *[1] * (layer.weight.ndim - 2))
    for step in path.steps:
        value = step(value)
    return value.flatten()


def _pads_with_zeros(reader: Layer) -> bool:
    if not isinstance(reader, CONVOLUTIONS) or reader.padding_mode != "zeros" or reader.padding == "valid":
        return False
    return isinstance(reader.padding, str) or any(reader.padding)


def _set(layer: Any, weight: Tensor, bias: Tensor | None) -> None:
    """Give a layer other weights, and the sizes of these."""
    trained = layer.weight.requires_grad
    layer.weight = nn.Parameter(weight.clone(), requires_grad=trained)
    layer.bias = None if bias is None else nn.Parameter(bias.clone(), requires_grad=trained)
    if isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = weight.shape
    else:
        layer.out_channels, layer.in_channels = weight.shape[:2]


def _take(norm: Any, units: Tensor) -> None:
    """Leave only some units of a batch norm."""
    for name in ("weight", "bias"):
        if (parameter := getattr(norm, name)) is not None:
            setattr(norm, name, nn.Parameter(parameter[units].clone(), requires_grad=parameter.requires_grad))
    for name in ("running_mean", "running_var"):
        if (buffer := getattr(norm, name)) is not None:
            setattr(norm, name, buffer[units].clone())
    norm.num_features = len(units)
