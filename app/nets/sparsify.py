"""Swaps sparse layers into a masked network, and dense ones back."""

from collections.abc import Collection, Mapping
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from app.common.errors import UserError
from app.common.states import plain_parameters
from app.nets.recurrent import RecurrentLayer
from app.nets.sparse.conv import SparseConv2d
from app.nets.sparse.layer import SparseLayer, replaced
from app.nets.sparse.linear import SparseLinear
from app.nets.sparse.pattern import SparsePattern
from app.nets.sparse.recurrent import Patterns

Kind = Literal["linear", "conv", "recurrent"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def sparsify(
    module: nn.Module,
    masks: Mapping[str, Tensor],
    limits: Mapping[str, float] | None = None,
    spared: Collection[nn.Module] = (),
) -> list[str]:
    """Let the masked layers of a network compute with their surviving weights alone, in place.

    These are `nn.Linear`, `nn.Conv2d` of stride 1 without dilation or groups, and the layers of `ONLSTM` and `LSTM`;
    subclasses of the first two stay as they are. Masked weights must be 0 already. Modules, parameters and hooks stay
    the objects that they were, so that optimisers and checkpoints go on as before; only on the CPU something changes
    (`app.nets.sparse.SparseLayer`). Called again with other masks, layers take those.

    Args:
        module: the network, or what contains it.
        masks: bool, by plain parameter name, True for survivors. A tied parameter has its first name.
        limits: densities up to which a layer becomes sparse, by kind: linear, conv, recurrent. A layer above, or of a
            kind that is not there, becomes dense. By default every layer with a mask becomes sparse.
        spared: layers that stay dense.

    Returns:
        The names of the layers that are sparse now.

    Raises:
        UserError: a mask has a name that no parameter has, or another shape.
    """
    parameters = plain_parameters(module)
    for name, mask in masks.items():
        if name not in parameters or parameters[name].shape != mask.shape:
            has = tuple(parameters[name].shape) if name in parameters else "no such parameter"
            raise UserError(f"the mask of {name} is {tuple(mask.shape)}; {type(module).__name__} has {has}")
    by_parameter = {id(parameters[name]): mask for name, mask in masks.items()}
    densify(module)
    layers = [(name, layer) for name, layer in module.named_modules() if layer not in spared]
    return [name for name, layer in layers if _sparsify(layer, by_parameter, limits)]


def densify(module: nn.Module) -> None:
    """Make all sparse layers of a network dense ones again, in place."""
    for layer in module.modules():
        if isinstance(layer, SparseLayer):
            layer.restore()
        elif isinstance(layer, RecurrentLayer):
            layer.patterns = None


def _sparsify(layer: nn.Module, masks: Mapping[int, Tensor], limits: Mapping[str, float] | None) -> bool:
    """Make a layer sparse if it has masks, and its density is within the limit; whether it was made so."""
    kind = kind_of(layer)
    if kind is None:
        return False
    names = ("weight_ih", "weight_hh") if isinstance(layer, RecurrentLayer) else ("weight",)
    weights = [layer.get_parameter(name) for name in names]
    if not any(id(weight) in masks for weight in weights):
        return False
    found = [masks.get(id(weight), torch.ones(weight.shape, dtype=torch.bool)) for weight in weights]
    if not all(mask.numel() and SparsePattern.fits(mask) for mask in found):
        return False
    density = sum(int(mask.sum()) for mask in found) / sum(mask.numel() for mask in found)
    if limits is not None and density > limits.get(kind, 0.0):
        return False
    if isinstance(layer, RecurrentLayer):
        layer.patterns = Patterns(*map(SparsePattern, found))
    else:
        replaced(layer, found[0], SparseLinear if kind == "linear" else SparseConv2d)
    return True


def kind_of(layer: nn.Module) -> Kind | None:
    """The kind of a layer that can be sparse; None of any other."""
    if isinstance(layer, RecurrentLayer):
        return "recurrent"
    if type(layer) is nn.Linear:
        return "linear"
    return "conv" if type(layer) is nn.Conv2d and SparseConv2d.takes(layer) else None
