"""Whether the weights of a checkpoint are those of the model that is to take them."""

from collections.abc import Mapping

import torch
from torch import Tensor

from app.errors import UserError


def check_shapes(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    """Compare names and shapes, before PyTorch does so at length.

    Args:
        ours: the model's state.
        theirs: the checkpoint's.

    Raises:
        UserError: they differ; names the first that does.
    """
    for name in sorted(ours.keys() | theirs.keys()):
        here, there = (tuple(state[name].shape) if name in state else "none" for state in (ours, theirs))
        if here != there:
            raise UserError(
                f"the checkpoint is of another model: {name} is {there} there and {here} here; use the "
                "configuration that it was made with"
            )


def check_tied(theirs: Mapping[str, Tensor]) -> None:
    """Make sure that a checkpoint for a tied model has one matrix for embedding and softmax.

    Raises:
        UserError: it has two, one of which would be lost.
    """
    if not torch.equal(theirs["decoder.weight"], theirs["embedding.weight"]):
        raise UserError("the checkpoint's softmax is not tied to its embedding; set model.init_args.tied to false")
