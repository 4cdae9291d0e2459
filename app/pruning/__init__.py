"""The Lottery Ticket Hypothesis as pure functions on tensors: no Lightning, no logging, no disk but what is passed."""

from app.pruning.masks import Masks, dense_masks, density, masked, prunable_kinds, rewind, survivors, weight_sizes
from app.pruning.select import keep_largest, prune, pruned_count, random_masks, schedule
from app.pruning.when import When, rewind_iteration

__all__ = [
    "Masks",
    "When",
    "dense_masks",
    "density",
    "keep_largest",
    "masked",
    "prunable_kinds",
    "prune",
    "pruned_count",
    "random_masks",
    "rewind",
    "rewind_iteration",
    "schedule",
    "survivors",
    "weight_sizes",
]
