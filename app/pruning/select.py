"""Which weights survive a pruning: a pure function from scores, masks and rates to masks.

Everything is ranked on the CPU and in one order among equals, so that one input has one answer on every machine and
every rank.
"""

import warnings
from collections.abc import Mapping

import torch
from torch import Tensor

from app.common.errors import RunError, UserError
from app.pruning.masks import Masks, survivors
from app.pruning.pools import Pool, after_pruning, pools


def prune(
    scores: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    *,
    kinds: Mapping[str, str],
    rates: Mapping[str, float],
    scope: str = "layerwise",
    least: int = 0,
) -> Masks:
    """Remove the surviving weights of the lowest scores: exactly round(rate * survivors) of each pool.

    Args:
        scores: of the weights, by name.
        masks: survivors so far, same names and shapes.
        kinds: layer kind of each name.
        rates: share of the survivors to remove, by layer kind.
        scope: which tensors are ranked together, as for `pools`.
        least: number of weights that every tensor keeps, or all where it has fewer; other tensors of its pool lose
            more instead, as far as they can.

    Returns:
        New masks on the CPU, subsets of the old. Among equal scores the first go first: by name, then position.

    Raises:
        RunError: the score of a surviving weight is not finite, so that it cannot be ranked.
    """
    counts = survivors(masks)
    left = {pool: sum(counts[name] for name in pool) for pool in pools({name: kinds[name] for name in masks}, scope)}
    return keep_in_pools(scores, masks, after_pruning(left, counts, kinds, rates, least), least)


def keep(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], counts: Mapping[str, int]) -> Masks:
    """Keep exactly `counts[name]` surviving weights of each tensor, those of the highest scores.

    Args:
        scores: of the weights, by name.
        masks: survivors so far, same names and shapes.
        counts: how many stay of each tensor; a tensor without a count keeps all.

    Returns:
        As for `prune`.

    Raises:
        RunError: as for `prune`.
        ValueError: a tensor has fewer survivors than are to stay.
    """
    left = survivors(masks)
    return keep_in_pools(scores, masks, {(name,): counts.get(name, left[name]) for name in sorted(masks)})


def keep_in_pools(
    scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], counts: Mapping[Pool, int], least: int = 0
) -> Masks:
    """Keep exactly so many surviving weights of each pool, those of the highest scores.

    Args:
        scores: of the weights, by name.
        masks: survivors so far, same names and shapes.
        counts: how many stay of each pool; tensors in no pool keep all.
        least: as for `prune`.

    Returns:
        As for `prune`.

    Raises:
        RunError: as for `prune`.
        UserError: fewer are to stay in a pool than `least` of each of its tensors.
        ValueError: a pool has fewer survivors than are to stay.
    """
    left = {name: mask.detach().cpu().clone() for name, mask in masks.items()}
    for pool, count in counts.items():
        places = [left[name].flatten().nonzero().squeeze(1) for name in pool]
        lengths = [len(place) for place in places]
        gone = sum(lengths) - count
        if gone < 0:
            raise ValueError(f"{', '.join(pool)}: {-gone} more are to stay than are left")
        if gone == 0:
            continue
        if count < (floor := sum(min(length, least) for length in lengths)):
            raise UserError(
                f"{count:,} weights are to stay in {', '.join(pool)}, and {floor:,} are with at least {least:,} in "
                "each tensor; choose a smaller least number per layer, or prune less"
            )
        ranked = [_finite(scores[name], place, name) for name, place in zip(pool, places, strict=True)]
        lowest = _lowest(ranked, gone, least)
        for name, place, these in zip(pool, places, torch.split(lowest, lengths), strict=True):
            left[name].view(-1)[place[these]] = False
    _warn_of_emptied(masks, left)
    return left


def _finite(scores: Tensor, places: Tensor, name: str) -> Tensor:
    """The scores at some places, flat, on the CPU."""
    chosen = scores.detach().cpu().flatten()[places]
    if not torch.isfinite(chosen).all():
        raise RunError(f"{name} holds weights that are not finite, so they cannot be ranked; did the training diverge?")
    return chosen


def _lowest(scores: list[Tensor], count: int, least: int) -> Tensor:
    """Where the `count` lowest scores of several tensors are, without the `least` highest of each; bool, flat."""
    together = torch.cat(scores)
    if least == 0:
        return _lowest_of(together, count)
    free = torch.cat([_lowest_of(each, max(0, len(each) - least)) for each in scores])
    found = torch.zeros_like(free)
    found[free.nonzero().squeeze(1)[_lowest_of(together[free], count)]] = True
    return found


def _lowest_of(scores: Tensor, count: int) -> Tensor:
    """Where the `count` lowest scores are, the first among equals; a tenth of the time of a stable sort."""
    if count == 0:
        return torch.zeros(len(scores), dtype=torch.bool)
    scores = scores.byte() if scores.dtype == torch.bool else scores
    threshold = scores.kthvalue(count).values
    found = scores < threshold
    equal = (scores == threshold).nonzero().squeeze(1)
    found[equal[: count - int(found.sum())]] = True
    return found


def _warn_of_emptied(before: Mapping[str, Tensor], after: Masks) -> None:
    old, new = survivors(before), survivors(after)
    emptied = [name for name in new if old[name] and not new[name]]
    if emptied:
        warnings.warn(f"pruning leaves no weight in {', '.join(emptied)}: nothing passes there any more", stacklevel=4)
