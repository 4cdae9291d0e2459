"""Which networks are trained at once, and in what order."""

from collections.abc import Callable, Collection

from app.lottery.prerequisites import graph, lengths_of_chains
from app.lottery.settings import Pruning
from app.runs.layout import NetworkKey


def waves(
    settings: Pruning,
    missing: Collection[NetworkKey],
    size: int,
    kind: Callable[[NetworkKey], object] = lambda key: None,
) -> list[list[NetworkKey]]:
    """The networks to train, in groups that are trained at once; each after those that it is made from.

    Networks from which the longest chains of others are made come first: with networks that all take as long, no other
    order needs fewer groups.

    Args:
        settings: of the lottery.
        missing: the networks to train; all others are taken for finished.
        size: the most networks of a group.
        kind: only networks of one kind are trained at once.
    """
    befores = graph(settings, missing)
    waiting = list(befores)
    lengths = lengths_of_chains(befores)
    found = []
    while waiting:
        left = set(waiting)
        ready = sorted((key for key in waiting if not befores[key] & left), key=lambda key: -lengths[key])
        group = [key for key in ready if kind(key) == kind(ready[0])][:size]
        found.append(sorted(group, key=waiting.index))
        waiting = [key for key in waiting if key not in group]
    return found
