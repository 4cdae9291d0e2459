"""Computes the values of a score, which may be a user's own, and checks them."""

from collections.abc import Mapping

import torch
from torch import Tensor

from app.common.errors import RunError, UserError
from app.common.plugins import errors_named
from app.pruning.scores.score import Gradients, Score


def checked_scores(
    score: Score,
    weights: Mapping[str, Tensor],
    start: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    gradients: Gradients,
) -> dict[str, Tensor]:
    """The values of a score for every tensor that is pruned.

    The score gets copies of the ticket, so that it cannot change what survivors are rewound to.

    Args:
        score: decides which weights are kept.
        weights: the trained weights, by name.
        start: the weights to rewind to; it may hold more names.
        masks: survivors so far.
        gradients: returns the gradients of the loss.

    Raises:
        UserError: the score failed, or its values are not one tensor of the right shape for every mask.
        RunError: a surviving weight is finite and its score is not.
    """
    name = f"{type(score).__module__}.{type(score).__qualname__}"
    copies = {each: start[each].clone() for each in masks}
    with errors_named("pruning.score", score):
        values = score(weights, copies, {each: mask.clone() for each, mask in masks.items()}, gradients)
    if not isinstance(values, Mapping):
        raise UserError(f"pruning.score: {name} returned {type(values).__name__}; expected a tensor by weight name")
    for each, mask in masks.items():
        value = values.get(each)
        if not isinstance(value, Tensor) or value.shape != mask.shape:
            found = f"shape {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise UserError(f"pruning.score: {name} has {found} for {each}; expected a tensor of {list(mask.shape)}")
        _check_finite(value, weights[each], mask, name, each)
    return dict(values)


def _check_finite(value: Tensor, weight: Tensor, mask: Tensor, score: str, name: str) -> None:
    """Check that survivors have finite scores, except where their weights are not finite: the ranking reports those."""
    kept = mask.cpu()
    if not torch.isfinite(value.detach().cpu()[kept]).all() and torch.isfinite(weight.detach().cpu()[kept]).all():
        raise RunError(
            f"pruning.score: {score} is not finite for some surviving weights of {name}, so they cannot be ranked"
        )
