"""Which networks are trained at once."""

import pytest

from app.lottery.prerequisites import graph
from app.lottery.settings import Pruning
from app.lottery.stacks.waves import waves

SETTINGS = Pruning(rounds=3, replicates=2, methods=["iterative", "one_shot"], random_reinit=2, random_mask=1)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_each_network_once_after_those_that_it_needs(size: int) -> None:
    keys = list(SETTINGS.networks())
    befores, done = graph(SETTINGS, keys), set()
    for group in waves(SETTINGS, keys, size):
        assert len(group) <= size
        for key in group:
            assert befores[key] <= done
        done |= set(group)
    assert done == set(keys)
    assert sum(map(len, waves(SETTINGS, keys, size))) == len(keys)


def test_as_few_groups_as_the_longest_chain() -> None:
    """Dense, then the three rounds of iterative pruning; the controls of the last are a group of their own."""
    assert len(waves(SETTINGS, list(SETTINGS.networks()), 100)) == 5


def test_the_longest_chain_comes_first() -> None:
    """Controls fill the places that iterative pruning leaves, and delay no round of it."""
    groups = waves(SETTINGS, list(SETTINGS.networks()), 6)
    rounds = [{key.round for key in group if key.method == "iterative"} for group in groups]
    assert rounds[:4] == [set(), {1}, {2}, {3}]
    assert [len(group) for group in groups] == [2, 2, 6, 6, 6, 6, 4]


def test_finished_networks_are_left_out() -> None:
    keys = list(SETTINGS.networks())
    assert sum(map(len, waves(SETTINGS, keys[1:], 100))) == len(keys) - 1


def test_kinds_are_not_mixed() -> None:
    groups = waves(SETTINGS, list(SETTINGS.networks()), 100, lambda key: key.replicate)
    assert all(len({key.replicate for key in group}) == 1 for group in groups)
