"""Which weights survive a pruning: a pure function from scores, masks and rates to masks.

Everything is ranked on the CPU and stably, so that one input has one answer on every machine and every rank.
"""

import warnings
from collections.abc import Mapping
from fractions import Fraction

import torch
from torch import Tensor

from app.common.errors import RunError, UserError
from app.pruning.masks import Masks, survivors

SCOPES = ("layerwise", "global")
# The paper's rates for LeNet: the output layer at half the rate of the others.
USUAL_RATE, OUTPUT_RATE = 0.2, 0.1


def usual_rates(kinds: Mapping[str, str]) -> dict[str, float]:
    """The rates where none are given: 0.2 by layer kind, 0.1 for the output layer (Frankle & Carbin, Figure 2)."""
    return {kind: OUTPUT_RATE if kind == "output" else USUAL_RATE for kind in sorted(set(kinds.values()))}


def check_rates(rates: Mapping[str, float]) -> None:
    """Make sure that every rate is a share of the surviving weights, strictly between 0 and 1.

    Raises:
        UserError: no rates, or one that is not a number in (0, 1).
    """
    if not isinstance(rates, Mapping):
        raise UserError(f"rates is {rates!r}; expected a rate per layer kind, such as fc: 0.2")
    if not rates:
        raise UserError("rates is empty; give a rate per layer kind, such as fc: 0.2")
    for kind, rate in rates.items():
        if isinstance(rate, bool) or not isinstance(rate, int | float):
            raise UserError(f"rates.{kind} is {rate!r}; expected a number between 0 and 1")
        if not 0 < rate < 1:
            raise UserError(f"rates.{kind} is {rate:g}; it is the share pruned per round, so choose it between 0 and 1")


def check_kinds(kinds: Mapping[str, str], rates: Mapping[str, float]) -> None:
    """Make sure that every layer kind has a rate, and that every rate has layers.

    Raises:
        UserError: naming the kinds without a counterpart.
    """
    missing, idle = set(kinds.values()) - set(rates), set(rates) - set(kinds.values())
    if missing or idle:
        what = f"has no rate for {', '.join(sorted(missing))}" if missing else f"names {', '.join(sorted(idle))}"
        raise UserError(f"rates {what}; the layer kinds of this network are {', '.join(sorted(set(kinds.values())))}")


def check_counts(counts: Mapping[str, int], left: Mapping[str, int]) -> None:
    """Make sure that counts of weights to keep are possible.

    Args:
        counts: how many are to stay of each tensor.
        left: how many each tensor has.

    Raises:
        UserError: a tensor that is not pruned, or a count that is not a whole number from 0 to what is left.
    """
    for name, count in counts.items():
        if name not in left:
            raise UserError(f"survivors_to_keep names {name}; the pruned tensors are {', '.join(left)}")
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= left[name]:
            raise UserError(f"survivors_to_keep of {name} is {count!r}; it has {left[name]:,} weights left to keep")


def pruned_count(rate: float, n: int) -> int:
    """round(rate * n), halves to even, with `rate` meant as the decimal number that it was written as."""
    return round(Fraction(str(rate)) * n)


def schedule(
    sizes: Mapping[str, int], kinds: Mapping[str, str], rates: Mapping[str, float], rounds: int
) -> list[dict[str, int]]:
    """Survivors of each tensor after 0, 1, ..., `rounds` layer-wise prunings: known before anything is trained."""
    counts = [dict(sizes)]
    for _ in range(rounds):
        counts.append({name: n - pruned_count(rates[kinds[name]], n) for name, n in counts[-1].items()})
    return counts


def prune(
    scores: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    *,
    kinds: Mapping[str, str],
    rates: Mapping[str, float],
    scope: str = "layerwise",
) -> Masks:
    """Remove the surviving weights of the lowest scores: exactly round(rate * survivors) of each pool.

    Args:
        scores: of the weights, by name.
        masks: survivors so far, same names and shapes.
        kinds: layer kind of each name.
        rates: share of the survivors to remove, by layer kind.
        scope: "layerwise": every tensor is a pool of its own. "global": the tensors of one kind are ranked together.

    Returns:
        New masks on the CPU, subsets of the old. Among equal scores the first go first: by name, then position.

    Raises:
        RunError: the score of a surviving weight is not finite, so that it cannot be ranked.
    """
    names = sorted(masks)
    pools = [[name] for name in names]
    if scope == "global":
        pools = [[name for name in names if kinds[name] == kind] for kind in sorted({kinds[name] for name in names})]
    counts = survivors(masks)
    totals = [sum(counts[name] for name in pool) for pool in pools]
    goes = [pruned_count(rates[kinds[pool[0]]], total) for pool, total in zip(pools, totals, strict=True)]
    return _remove(scores, masks, dict(zip(map(tuple, pools), goes, strict=True)))


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
    return _remove(scores, masks, {(name,): left[name] - counts.get(name, left[name]) for name in sorted(masks)})


def _remove(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], goes: Mapping[tuple[str, ...], int]) -> Masks:
    """The masks without so many weights of each pool of tensors, those of the lowest scores."""
    left = {name: mask.detach().cpu().clone() for name, mask in masks.items()}
    for pool, count in goes.items():
        if count < 0:
            raise ValueError(f"{', '.join(pool)}: {-count} more are to stay than are left")
        if count == 0:
            continue
        places = {name: left[name].flatten().nonzero().squeeze(1) for name in pool}
        ranked = torch.cat([_finite(scores[name], places[name], name) for name in pool])
        lowest = torch.zeros(len(ranked), dtype=torch.bool)
        lowest[ranked.sort(stable=True).indices[:count]] = True
        for name, gone in zip(pool, torch.split(lowest, [len(place) for place in places.values()]), strict=True):
            left[name].view(-1)[places[name][gone]] = False
    _warn_of_emptied(masks, left)
    return left


def _finite(scores: Tensor, places: Tensor, name: str) -> Tensor:
    """The scores at some places, flat, on the CPU."""
    chosen = scores.detach().cpu().flatten()[places]
    if not torch.isfinite(chosen).all():
        raise RunError(f"{name} holds weights that are not finite, so they cannot be ranked; did the training diverge?")
    return chosen


def _warn_of_emptied(before: Mapping[str, Tensor], after: Masks) -> None:
    old, new = survivors(before), survivors(after)
    emptied = [name for name in new if old[name] and not new[name]]
    if emptied:
        warnings.warn(f"pruning leaves no weight in {', '.join(emptied)}: nothing passes there any more", stacklevel=4)
