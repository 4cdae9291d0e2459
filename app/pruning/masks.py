"""Masks: which weights of a network are left. One bool tensor per prunable weight tensor, True where it survives."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from app.common.errors import UserError

Masks = dict[str, Tensor]

WORDS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def dense_masks(weights: Mapping[str, Tensor]) -> Masks:
    """Masks of the unpruned network, on the CPU: nothing is missing."""
    return {name: torch.ones(weight.shape, dtype=torch.bool) for name, weight in weights.items()}


def as_bits(mask: Tensor, like: Tensor) -> Tensor:
    """A mask for `clear_`: integers as wide as the elements of `like`, all ones where a weight survives, else 0."""
    return -mask.to(like.device, WORDS[like.element_size()])


@torch.no_grad()
def clear_(values: Tensor, bits: Tensor) -> None:
    """Set what is masked to 0, in place, whatever it was: the product with 0 would leave nan and infinity nan.

    As fast as a product of floats; `masked_fill_` takes twenty times as long on a CPU, a product with bools six times.

    Args:
        values: floats of any shape.
        bits: from `as_bits`, of the same shape.
    """
    values.detach().view(bits.dtype).bitwise_and_(bits)


def masked(state: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`masks * state`, as a new state; what has no mask is taken as it is."""
    state = {name: value.clone() if name in masks else value for name, value in state.items()}
    for name, mask in masks.items():
        clear_(state[name], as_bits(mask, state[name]))
    return state


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


def check_state(state: Mapping[str, Tensor], module: nn.Module, source: str) -> None:
    """A state of one network does not fit another; said before PyTorch says it, over many lines.

    Raises:
        UserError: names or shapes differ from the module's; `source` says where the state is from.
    """
    ours = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    theirs = {name: tuple(value.shape) for name, value in state.items()}
    if different := [name for name in sorted(ours | theirs) if ours.get(name) != theirs.get(name)]:
        raise UserError(
            f"{source} are another network's: {', '.join(different)} differ in name or shape; "
            "were parameters renamed? Go on with the code that began it, or begin anew elsewhere"
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
    check_state(point, module, "the weights to rewind to")
    module.load_state_dict(dict(point))
    parameters = dict(module.named_parameters())
    for name, mask in masks.items():
        clear_(parameters[name], as_bits(mask, parameters[name]))
