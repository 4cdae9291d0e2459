"""The Lottery Ticket Hypothesis as pure functions on tensors: no Lightning, no logging, no disk but what is passed."""

from app.pruning.magnitude import keep_largest, prune, pruned_count, random_masks, schedule
from app.pruning.masks import Masks, dense_masks, density, masked, prunable_kinds, rewind, survivors, weight_sizes
from app.pruning.settings import Pruning
from app.pruning.ticket import digest, load_tensors, load_ticket, save_tensors
from app.pruning.when import When, rewind_iteration

__all__ = [
    "Masks",
    "Pruning",
    "When",
    "dense_masks",
    "density",
    "digest",
    "keep_largest",
    "load_tensors",
    "load_ticket",
    "masked",
    "prunable_kinds",
    "prune",
    "pruned_count",
    "random_masks",
    "rewind",
    "rewind_iteration",
    "save_tensors",
    "schedule",
    "survivors",
    "weight_sizes",
]
