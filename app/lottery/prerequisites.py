"""Which networks of a lottery must be trained before which, and how long the chains of them are."""

from collections.abc import Collection
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


def chain_lengths(settings: Pruning, missing: Collection[NetworkKey]) -> dict[NetworkKey, int]:
    """How many networks the longest chain has that begins with each network, itself included.

    In a chain a network comes after one that it is made from, or after the round before in its series.

    Args:
        settings: of the lottery.
        missing: the networks to train; all others are taken for finished.
    """
    befores = graph(settings, missing)
    for key in befores:
        if (before := replace(key, round=key.round - 1)) in befores:
            befores[key] = befores[key] | {before}
    return lengths_of_chains(befores)


def lengths_of_chains(befores: Graph) -> dict[NetworkKey, int]:
    """How many networks the longest chain has that begins with each network, itself included, in a graph."""
    lengths = dict.fromkeys(befores, 1)
    for key in reversed(tuple(TopologicalSorter(befores).static_order())):
        for before in befores[key]:
            lengths[before] = max(lengths[before], lengths[key] + 1)
    return lengths


def trainings_in_a_row(settings: Pruning, missing: Collection[NetworkKey], workers: int) -> int:
    """The least time in which so many workers can train what is missing, in trainings of one network.

    No less than an equal share for each worker, and no less than the longest chain.
    """
    lengths = chain_lengths(settings, missing)
    return max(-(-len(lengths) // workers), max(lengths.values(), default=0))
