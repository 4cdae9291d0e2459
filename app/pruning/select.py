"""Which weights go: magnitude pruning (Frankle & Carbin, section 2), one-shot and random counterparts.

Pure functions from weights and masks to masks. Everything is ranked on the CPU and stably, so that one input has one
answer on every machine and every rank.
"""

import warnings
from collections.abc import Mapping
from fractions import Fraction

import torch
from torch import Tensor

from app.common.errors import RunError, UserError
from app.pruning.masks import Masks, survivors

SCOPES = ("layerwise", "global")


def check_rates(rates: Mapping[str, float]) -> None:
    """Every rate is a share of the surviving weights, strictly between 0 and 1.

    Raises:
        UserError: no rates, or one outside (0, 1).
    """
    if not rates:
        raise UserError("rates is empty; give a rate per layer kind, such as fc: 0.2")
    for kind, rate in rates.items():
        if not 0 < rate < 1:
            raise UserError(f"rates.{kind} is {rate:g}; it is the share pruned per round, so choose it between 0 and 1")


def check_kinds(kinds: Mapping[str, str], rates: Mapping[str, float]) -> None:
    """Every prunable tensor has a rate, and every rate has a tensor.

    Raises:
        UserError: naming the kinds without a counterpart.
    """
    missing, idle = set(kinds.values()) - set(rates), set(rates) - set(kinds.values())
    if missing or idle:
        what = f"has no rate for {', '.join(sorted(missing))}" if missing else f"names {', '.join(sorted(idle))}"
        raise UserError(f"rates {what}; the layer kinds of this network are {', '.join(sorted(set(kinds.values())))}")


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
    weights: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    *,
    kinds: Mapping[str, str],
    rates: Mapping[str, float],
    scope: str = "layerwise",
) -> Masks:
    """Remove the smallest surviving weights: exactly round(rate * survivors) of each pool.

    Args:
        weights: trained weights by name.
        masks: survivors so far, same names and shapes.
        kinds: layer kind of each name.
        rates: share of the survivors to remove, by layer kind.
        scope: "layerwise": every tensor is a pool of its own. "global": the tensors of one kind are ranked together.

    Returns:
        New masks on the CPU, subsets of the old. Among equal magnitudes the first go first: by name, then position.

    Raises:
        RunError: a surviving weight is not finite, so that it cannot be ranked.
    """
    names = sorted(masks)
    pools = [[name] for name in names]
    if scope == "global":
        pools = [[name for name in names if kinds[name] == kind] for kind in sorted({kinds[name] for name in names})]
    pruned = {name: mask.detach().cpu().clone() for name, mask in masks.items()}
    for pool in pools:
        _prune_pool({name: weights[name] for name in pool}, pruned, rates[kinds[pool[0]]])
    _tell_emptied(masks, pruned)
    return pruned


def _prune_pool(weights: Mapping[str, Tensor], masks: Masks, rate: float) -> None:
    """Clear, in `masks`, the smallest survivors of one pool of tensors."""
    places = {name: masks[name].flatten().nonzero().squeeze(1) for name in weights}
    magnitudes = torch.cat([_magnitudes(weight, name)[places[name]] for name, weight in weights.items()])
    doomed = torch.zeros(len(magnitudes), dtype=torch.bool)
    doomed[magnitudes.sort(stable=True).indices[: pruned_count(rate, len(magnitudes))]] = True
    for name, gone in zip(weights, torch.split(doomed, [len(place) for place in places.values()]), strict=True):
        masks[name].view(-1)[places[name][gone]] = False


def keep_largest(weights: Mapping[str, Tensor], counts: Mapping[str, int]) -> Masks:
    """One-shot pruning: of each tensor keep exactly `counts[name]` weights, the largest; among equals the last stay."""
    masks = {}
    for name, weight in weights.items():
        order = _magnitudes(weight, name).sort(stable=True).indices
        mask = torch.zeros(weight.numel(), dtype=torch.bool)
        mask[order[len(order) - counts[name] :]] = True
        masks[name] = mask.view(weight.shape)
    return masks


def random_masks(masks: Mapping[str, Tensor], generator: torch.Generator) -> Masks:
    """The control of random sparsity: as many survivors in each tensor as `masks` has, in random places."""
    drawn = {}
    for name in sorted(masks):
        mask = torch.zeros(masks[name].numel(), dtype=torch.bool)
        mask[torch.randperm(mask.numel(), generator=generator)[: int(masks[name].sum())]] = True
        drawn[name] = mask.view(masks[name].shape)
    return drawn


def _magnitudes(weight: Tensor, name: str) -> Tensor:
    """|w|, flat, on the CPU."""
    magnitudes = weight.detach().cpu().flatten().abs()
    if not torch.isfinite(magnitudes).all():
        raise RunError(f"{name} holds weights that are not finite, so they cannot be ranked; did the training diverge?")
    return magnitudes


def _tell_emptied(before: Mapping[str, Tensor], after: Masks) -> None:
    old, new = survivors(before), survivors(after)
    emptied = [name for name in new if old[name] and not new[name]]
    if emptied:
        warnings.warn(f"pruning leaves no weight in {', '.join(emptied)}: nothing passes there any more", stacklevel=3)
