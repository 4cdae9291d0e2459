"""A ticket on another task: its masks and starting weights, with a new output layer where the classes differ."""

from collections.abc import Mapping

import torch
from torch import Tensor

from app.common.errors import UserError
from app.pruning.masks import Masks


def transplant(
    weights: Mapping[str, Tensor],
    masks: Masks,
    fresh: Mapping[str, Tensor],
    draw: torch.Generator,
    source: str,
) -> tuple[dict[str, Tensor], Masks]:
    """Fit a ticket to a network that may have another number of outputs (Morcos et al. 2019, section 3).

    The output layer is taken from `fresh` where its shape is another one. Its mask then keeps the share of weights that
    the ticket's keeps there, in random places.

    Args:
        weights: state that the ticket begins with, by name.
        masks: of the ticket, by name of the weight.
        fresh: state of the network to fit it to, newly drawn.
        draw: generator of the places in the mask of a new output layer.
        source: where the ticket is from, for the error message.

    Returns:
        The state and the masks of the transferred ticket.

    Raises:
        UserError: other tensors differ than those of one layer, and there in the number of outputs alone.
    """
    if different := sorted(weights.keys() ^ fresh.keys()):
        raise UserError(f"{source}: a ticket of another network ({different[0]} is in one of the two only)")
    changed = [name for name in weights if weights[name].shape != fresh[name].shape]
    for name in changed:
        theirs, ours = tuple(weights[name].shape), tuple(fresh[name].shape)
        layers = {each.rpartition(".")[0] for each in changed}
        if len(layers) > 1 or len(theirs) != len(ours) or theirs[1:] != ours[1:]:
            raise UserError(
                f"{source}: a ticket of another network ({name} is {theirs} there and {ours} here); only an output "
                "layer may differ, in its number of outputs"
            )
    state = {name: fresh[name] if name in changed else value.to(fresh[name].dtype) for name, value in weights.items()}
    return state, {
        name: _scattered(mask, fresh[name], draw) if name in changed else mask for name, mask in masks.items()
    }


def _scattered(mask: Tensor, weight: Tensor, draw: torch.Generator) -> Tensor:
    """A mask for a weight of another shape: the same share of survivors, in random places."""
    count = round(int(mask.sum()) / mask.numel() * weight.numel())
    kept = torch.zeros(weight.numel(), dtype=torch.bool)
    kept[torch.randperm(weight.numel(), generator=draw)[:count]] = True
    return kept.view(weight.shape)
