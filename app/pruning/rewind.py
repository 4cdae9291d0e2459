"""Rewinding: the survivors return to the weights that they had at an earlier moment."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from app.common.states import load_plain_state, plain_parameters
from app.pruning.masks import as_bits, clear_


@torch.no_grad()
def rewind(module: nn.Module, point: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> None:
    """Set a network to `masks * point`, in place: every Parameter stays the object that it was.

    Args:
        module: the network.
        point: its state (parameters and buffers, by plain name) at the moment to return to.
        masks: survivors; parameters without a mask, and all buffers, are taken from `point` as they are.

    Raises:
        UserError: names or shapes of `point` are not the module's.
    """
    load_plain_state(module, point, "the weights to rewind to")
    parameters = plain_parameters(module)
    for name, mask in masks.items():
        clear_(parameters[name], as_bits(mask, parameters[name]))
