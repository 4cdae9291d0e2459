"""Which networks of a lottery must be trained before which, and how long the chains of them are."""

from collections.abc import Callable, Collection
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from app.common.errors import UserError
from app.common.plugins import errors_named
from app.lottery.settings import Pruning
from app.runs.layout import NetworkKey

Graph = dict[NetworkKey, set[NetworkKey]]


def prerequisites(settings: Pruning, key: NetworkKey) -> tuple[NetworkKey, ...]:
    """The networks whose files a network is made from, but for what those themselves needed.

    Args:
        settings: of the lottery.
        key: one of its networks.
    """
    method = settings.method(key)
    with errors_named("pruning.methods", method):
        return tuple(method.needs(key, settings.method_names))


def graph(settings: Pruning, missing: Collection[NetworkKey]) -> Graph:
    """The missing networks, each with those of them that must be trained before it.

    Args:
        settings: of the lottery.
        missing: the networks to train; all others are taken for finished.

    Raises:
        UserError: methods of the user's own need networks that no method makes, or each other.
    """
    made = set(settings.networks())
    wanted: Graph = {}
    for key in settings.networks():
        if key not in missing:
            continue
        needed = prerequisites(settings, key)
        if unknown := [each for each in needed if each not in made]:
            raise UserError(f"{key} needs {unknown[0]}, which no method of this lottery makes; add it to methods")
        wanted[key] = {each for each in needed if each in missing}
    try:
        TopologicalSorter(wanted).prepare()
    except CycleError as error:
        raise UserError(f"methods need each other's networks in a circle: {error.args[1][0]}") from None
    return wanted


def series(key: NetworkKey) -> tuple[int, str, int]:
    """The rounds of one (replicate, method, branch), which log to one run and are trained one after the other."""
    return key.replicate, key.method, key.branch


def chain_lengths(
    settings: Pruning, missing: Collection[NetworkKey], length: Callable[[NetworkKey], float] = lambda key: 1
) -> dict[NetworkKey, float]:
    """How long the longest chain of networks is that begins with each network, itself included.

    In a chain a network comes after one that it is made from, or after the round before in its series.

    Args:
        settings: of the lottery.
        missing: the networks to train; all others are taken for finished.
        length: of the training of a network.
    """
    befores = graph(settings, missing)
    for key in befores:
        if (before := replace(key, round=key.round - 1)) in befores:
            befores[key] = befores[key] | {before}
    return lengths_of_chains(befores, length)


def lengths_of_chains(befores: Graph, length: Callable[[NetworkKey], float] = lambda key: 1) -> dict[NetworkKey, float]:
    """How long the longest chain of networks is that begins with each network, itself included, in a graph.

    Args:
        befores: the networks before each network.
        length: of the training of a network.
    """
    lengths = {key: length(key) for key in befores}
    for key in reversed(tuple(TopologicalSorter(befores).static_order())):
        for before in befores[key]:
            lengths[before] = max(lengths[before], lengths[key] + length(before))
    return lengths


def trainings_in_a_row(
    settings: Pruning,
    missing: Collection[NetworkKey],
    workers: int,
    length: Callable[[NetworkKey], float] = lambda key: 1,
) -> float:
    """The least time in which so many workers can train what is missing, in trainings of one network.

    No less than an equal share for each worker, of networks of mean length, and no less than the longest chain.

    Args:
        settings: of the lottery.
        missing: the networks to train; all others are taken for finished.
        workers: how many.
        length: of the training of a network.
    """
    lengths = chain_lengths(settings, missing, length)
    if not lengths:
        return 0
    mean = sum(map(length, lengths)) / len(lengths)
    return max(-(-len(lengths) // workers) * mean, max(lengths.values()))
