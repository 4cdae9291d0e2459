"""Iterative pruning (Frankle & Carbin, section 2)."""

from app.lottery.methods.chain import Chain


class Iterative(Chain):
    """Prune the network of the round before a little, and rewind the survivors."""

    name = "iterative"
    label = "iterative"
    note = "pruned a little every round, the survivors rewound"
