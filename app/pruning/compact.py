"""Removes units that a mask has cut off: those with no way in, which are constant, and those with no way out."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from app.pruning.unit_paths import CONVOLUTIONS, NORMS, Layer, UnitPath, unit_paths


class Sizes(NamedTuple):
    """Units of a layer, before and after."""

    before: int
    after: int


@torch.no_grad()
def compact(net: nn.Module, masks: dict[str, Tensor] | None = None) -> dict[str, Sizes]:
    """Remove units that the masks have cut off, in place; what the net puts out stays the same up to rounding.

    A unit that nothing enters is a constant, which goes into the biases of the layer that reads it. Where that is a
    convolution which pads with zeros, a constant does not reach its border: of several such units one stays and stands
    for all. A unit that nothing reads goes. This is repeated until nothing more does; one unit of each layer stays.
    Biases are added up in float64 and rounded once.

    Args:
        net: in evaluation mode, on the CPU; its shrunk layers have new Parameters.
        masks: bool, by name of the parameter, True for survivors, which may be 0; they get the sizes of the shrunk
            weights. A weight without a mask survives where it is not 0.

    Returns:
        Numbers of units by name of the layer, for all layers that could lose some.

    Raises:
        UserError: the net is recurrent, or cannot be traced.
    """
    paths = unit_paths(net)
    before = {name: len(path.layer.weight) for name, path in paths.items()}
    names = {module: f"{name}.weight".removeprefix(".") for name, module in net.named_modules()}
    layers = {each for path in paths.values() for each in (path.layer, path.reader)}
    masks = {} if masks is None else masks
    alive = {layer: masks.get(names[layer], layer.weight != 0).clone() for layer in layers}
    with _in_float64(net):
        while any(_shrink(path, alive) for path in paths.values()):
            pass
    masks |= {names[layer]: mask for layer, mask in alive.items() if names[layer] in masks}
    return {name: Sizes(before[name], len(path.layer.weight)) for name, path in paths.items()}


@contextmanager
def _in_float64(net: nn.Module) -> Iterator[None]:
    """Compute with a net in float64 and round its parameters and buffers afterwards, where all are float32."""
    tensors = [*net.parameters(), *net.buffers()]
    if any(each.is_floating_point() and each.dtype != torch.float32 for each in tensors):
        yield
        return
    net.double()
    try:
        yield
    finally:
        net.float()


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


def _shrink(path: UnitPath, alive: dict[Layer, Tensor]) -> bool:
    """Remove what can go of one layer, and of the survivors; whether anything has gone."""
    layer, reader = path.layer, path.reader
    units = len(layer.weight)
    columns, reads = _by_unit(reader.weight.data, units), _by_unit(alive[reader], units)
    unread = ~reads.transpose(0, 1).flatten(1).any(1)
    constant = ~alive[layer].flatten(1).any(1) & ~unread
    values = _constants(path)
    gone = constant & (values == 0) if _pads_with_zeros(reader) else constant
    left = (constant & ~gone).nonzero()[:, 0]
    if len(left) > 1:  # the largest stands for all of them
        largest = left[values[left].abs().argmax()]
        columns[:, largest] = torch.einsum("ou...,u->o...", columns[:, left], values[left] / values[largest])
        reads[:, largest] = reads[:, left].any(1)
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
    alive[reader], alive[layer] = reads[:, stays].flatten(1, 2), alive[layer][stays]
    for norm in path.norms:
        _take(norm, stays.nonzero()[:, 0])
    return True


def _by_unit(matrix: Tensor, units: int) -> Tensor:
    """A reader's matrix by unit that it reads, a view: (outputs, units, places of a flattened channel, kernel...)."""
    return matrix.view(len(matrix), units, -1, *matrix.shape[2:])


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
