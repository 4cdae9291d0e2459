"""The Lottery Ticket Hypothesis as pure functions on tensors: no Lightning, no logging, no files."""

from app.pruning.masks import Masks, check_names, dense_masks, density, masked, survivors, weight_sizes
from app.pruning.rewind import rewind
from app.pruning.scores import SCORES, Magnitude, Score
from app.pruning.select import check_kinds, check_rates, keep, prune, pruned_count, schedule, usual_rates
from app.pruning.when import When, rewind_iteration

__all__ = [
    "SCORES",
    "Magnitude",
    "Masks",
    "Score",
    "When",
    "check_kinds",
    "check_names",
    "check_rates",
    "dense_masks",
    "density",
    "keep",
    "masked",
    "prune",
    "pruned_count",
    "rewind",
    "rewind_iteration",
    "schedule",
    "survivors",
    "usual_rates",
    "weight_sizes",
]
