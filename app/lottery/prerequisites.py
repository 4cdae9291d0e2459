"""Which networks of a lottery must be trained before which, and how long the chains of them are."""

from collections.abc import Collection
from dataclasses import replace

from app.lottery.settings import Pruning
from app.runs.layout import CONTROLS, NetworkKey


def prerequisites(settings: Pruning, key: NetworkKey) -> tuple[NetworkKey, ...]:
    """The networks whose files a network is made from, but for what those themselves needed.

    The dense network needs none; an iterative ticket the one of the round before; a control the iterative ticket whose
    mask or counts it takes, and so does a one-shot ticket where there are iterative ones, beside the dense network
    that it prunes.

    Args:
        settings: of the lottery.
        key: one of its networks.
    """
    if key.method == "dense":
        return ()
    dense = NetworkKey(key.replicate, "dense", 0)
    if key.method == "iterative":
        return (NetworkKey(key.replicate, "iterative", key.round - 1) if key.round > 1 else dense,)
    if key.method in CONTROLS or "iterative" in settings.methods:
        return (NetworkKey(key.replicate, "iterative", key.round),)
    return (dense,)


def series(key: NetworkKey) -> tuple[int, str, int]:
    """The rounds of one (replicate, method, branch), which log to one run and are trained one after the other."""
    return key.replicate, key.method, key.branch


def chain_lengths(settings: Pruning, missing: Collection[NetworkKey]) -> dict[NetworkKey, int]:
    """How many networks, each in its turn, the longest chain has that begins with each network.

    In a chain a network comes after one that it is made from, or after the round before in its series.

    Args:
        settings: of the lottery.
        missing: the networks to train; all others are taken for finished.
    """
    lengths = {key: 1 for key in settings.networks() if key in missing}
    for key in reversed(list(lengths)):  # each comes after those that it needs
        for before in (*prerequisites(settings, key), replace(key, round=key.round - 1)):
            if before in lengths:
                lengths[before] = max(lengths[before], lengths[key] + 1)
    return lengths


def trainings_in_a_row(settings: Pruning, missing: Collection[NetworkKey], workers: int) -> int:
    """The least time in which so many workers can train what is missing, in trainings of one network.

    No less than an equal share for each worker, and no less than the longest chain.
    """
    lengths = chain_lengths(settings, missing)
    return max(-(-len(lengths) // workers), max(lengths.values(), default=0))
