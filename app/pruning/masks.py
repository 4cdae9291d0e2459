"""Masks: which weights of a network are left. One bool tensor per prunable weight tensor, True where it survives."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from app.errors import UserError

Masks = dict[str, Tensor]


def dense_masks(weights: Mapping[str, Tensor]) -> Masks:
    """Masks of the unpruned network, on the CPU: nothing is missing."""
    return {name: torch.ones(weight.shape, dtype=torch.bool) for name, weight in weights.items()}


def survivors(masks: Mapping[str, Tensor]) -> dict[str, int]:
    """How many weights are left in each tensor."""
    return {name: int(mask.sum()) for name, mask in masks.items()}


def weight_sizes(module: nn.Module) -> dict[str, int]:
    """Sizes of all weight tensors: parameters of two or more dimensions, so no biases, no norms; tied ones once."""
    return {name: parameter.numel() for name, parameter in module.named_parameters() if parameter.ndim >= 2}


def density(sizes: Mapping[str, int], counts: Mapping[str, int]) -> float:
    """Share of weights that are left, 1 when dense.

    Args:
        sizes: sizes of all weight tensors to count: the network's (`density`) or the prunable ones
            (`density_prunable`).
        counts: survivors of the masked ones; a tensor without an entry is whole.
    """
    return sum(counts.get(name, size) for name, size in sizes.items()) / sum(sizes.values())


def prunable_kinds(module: nn.Module) -> dict[str, str]:
    """What the network itself declares prunable: parameter name to layer kind ("fc", "conv", "output", ...).

    Raises:
        UserError: the module declares nothing, or names that are not among its parameters.
    """
    declare = getattr(module, "prunable_parameters", None)
    if declare is None:
        raise UserError(
            f"{type(module).__name__} does not say what may be pruned; give it a method prunable_parameters() "
            "that returns {parameter name: layer kind}"
        )
    kinds: dict[str, str] = dict(declare())
    parameters = dict(module.named_parameters())
    unknown = [name for name in kinds if name not in parameters]
    if unknown or not kinds:
        raise UserError(
            f"{type(module).__name__}.prunable_parameters() names {', '.join(unknown) or 'nothing'}; "
            f"its parameters are {', '.join(parameters)} (a tied tensor goes by its first name)"
        )
    return kinds


def check_names(masks: Mapping[str, Tensor], module: nn.Module, source: str) -> None:
    """Masks made for one network do not fit another.

    Raises:
        UserError: names or shapes differ from what `module` declares prunable; `source` says where the masks are from.
    """
    parameters = dict(module.named_parameters())
    ours, theirs = set(prunable_kinds(module)), set(masks)
    if ours != theirs:
        raise UserError(
            f"{source} masks {', '.join(sorted(theirs - ours)) or 'nothing new'}, this network has "
            f"{', '.join(sorted(ours - theirs)) or 'no other prunable parameter'}; were parameters renamed? "
            "Go on with the code that began it, or begin anew elsewhere"
        )
    for name, mask in masks.items():
        if mask.shape != parameters[name].shape:
            raise UserError(
                f"{source} masks {name} with shape {tuple(mask.shape)}, "
                f"this network's has {tuple(parameters[name].shape)}; use the network it was made for"
            )


@torch.no_grad()
def rewind(module: nn.Module, point: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> None:
    """Set a network to `masks * point`, in place: every Parameter stays the object that it was.

    Args:
        point: the module's state (parameters and buffers) at the moment to return to.
        masks: survivors; parameters without a mask, and all buffers, are taken from `point` as they are.

    Raises:
        UserError: names or shapes of `point` are not the module's.
    """
    try:
        module.load_state_dict(dict(point))
    except RuntimeError as error:
        raise UserError(f"the weights to rewind to are another network's ({' '.join(str(error).split())})") from None
    parameters = dict(module.named_parameters())
    for name, mask in masks.items():
        parameters[name].mul_(mask.to(parameters[name].device))
