"""Masks and weights in a run directory whose tables are made up: small ones, of which some come from the same draws."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from app.runs.layout import NetworkKey, RunLayout
from app.runs.table import read_results
from app.runs.tensors import save_tensors

SHAPES = {"net.fc1.weight": (12, 10), "net.fc2.weight": (8, 12), "net.output.weight": (4, 8)}


def write_masks(root: Path, shapes: Mapping[str, tuple[int, ...]] = SHAPES, *, initial: bool = True) -> None:
    """Write masks of every network, initial weights of every replicate, and trained weights of all but controls.

    Tickets keep their largest initial weights, random reinitialisations have the masks of iterative tickets, all others
    masks of their own draw. Half of the trained weights have the sign of the initial ones.

    Args:
        root: a run directory that `write_run` has written.
        shapes: of the weights.
        initial: whether initial weights are written.
    """
    run = RunLayout(root)
    for row in read_results(run.results):
        start = initial_weights(row.replicate, shapes)
        if initial and not run.initial(row.replicate).exists():
            save_tensors(run.initial(row.replicate), start)
        of = "iterative" if row.method.startswith("random_re") or row.method == "random_mask" else ""
        files = run.network(NetworkKey(row.replicate, row.method, row.round, row.branch, of=of))
        masks = made_up_masks(row.method, row.round, row.replicate, row.branch, shapes)
        save_tensors(files.mask, masks)
        if not of:
            save_tensors(files.final, {name: (start[name] * flips(start[name])) * masks[name] for name in shapes})


def initial_weights(replicate: int, shapes: Mapping[str, tuple[int, ...]] = SHAPES) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(replicate)
    return {name: torch.randn(shape, generator=draw) for name, shape in shapes.items()}


def flips(weight: Tensor) -> Tensor:
    """1 and −1 in turn."""
    return (1 - 2 * (torch.arange(weight.numel()) % 2)).view_as(weight)


def made_up_masks(
    method: str, round_: int, replicate: int, branch: int = 0, shapes: Mapping[str, tuple[int, ...]] = SHAPES
) -> dict[str, Tensor]:
    """80 % of the weights of each layer per round."""
    if method in ("iterative", "random_reinit", "dense"):
        scores = {name: weight.abs() for name, weight in initial_weights(replicate, shapes).items()}
    else:
        draw = torch.Generator().manual_seed(hash((len(method), round_, replicate, branch)) % 2**31)
        scores = {name: torch.rand(shape, generator=draw) for name, shape in shapes.items()}
    masks = {}
    for name, score in scores.items():
        mask = torch.zeros(score.numel(), dtype=torch.bool)
        mask[score.flatten().argsort(descending=True)[: round(0.8**round_ * score.numel())]] = True
        masks[name] = mask.view_as(score)
    return masks
