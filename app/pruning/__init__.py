"""The Lottery Ticket Hypothesis as pure functions on tensors: no Lightning, no logging, no files."""

from app.pruning.allocation import balanced_counts, erk_counts
from app.pruning.masks import Masks, check_names, collapsed, dense_masks, density, masked, survivors, weight_sizes
from app.pruning.pools import Pool, pool_schedule, pruned_count, schedule
from app.pruning.rates import check_kinds, check_rates, usual_rates
from app.pruning.rewind import rewind
from app.pruning.scores import SCORES, Magnitude, Score
from app.pruning.select import keep, prune
from app.pruning.sparse_layers import densify, measured_limits, sparse_kernels, sparse_layers, sparsify
from app.pruning.when import When, rewind_iteration

__all__ = [
    "SCORES",
    "Magnitude",
    "Masks",
    "Pool",
    "Score",
    "When",
    "balanced_counts",
    "check_kinds",
    "check_names",
    "check_rates",
    "collapsed",
    "dense_masks",
    "densify",
    "density",
    "erk_counts",
    "keep",
    "masked",
    "measured_limits",
    "pool_schedule",
    "prune",
    "pruned_count",
    "rewind",
    "rewind_iteration",
    "schedule",
    "sparse_kernels",
    "sparse_layers",
    "sparsify",
    "survivors",
    "usual_rates",
    "weight_sizes",
]
