"""Scopes, against removing one weight at a time."""

import contextlib
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.pruning import Masks, collapsed, dense_masks, pool_schedule, prune, schedule, survivors
from app.pruning.pools import pools, pools_to_keep
from app.pruning.select import keep_in_pools

KINDS = {"b": "conv", "a": "conv", "c": "output"}
# Few distinct values, so that ties are the rule.
tensors = st.lists(st.integers(0, 3), min_size=1, max_size=8).map(lambda values: torch.tensor(values) / 2)
networks = st.fixed_dictionaries(dict.fromkeys(KINDS, tensors))
scopes = st.sampled_from([("layerwise", ["a", "b", "c"]), ("kind", ["ab", "c"]), ("global", ["abc"])])


def one_by_one(scores: dict[str, torch.Tensor], pool: str, rate: float, least: int) -> dict[str, list[bool]]:
    """Remove the lowest, the first of equals, of a tensor that has more than the least number, as often as it goes."""
    left = {name: [True] * len(scores[name]) for name in sorted(pool)}
    for _ in range(round(rate * sum(map(len, left.values())))):
        free = [
            (float(scores[n][i]), n, i) for n in left if sum(left[n]) > least for i in range(len(left[n])) if left[n][i]
        ]
        if free:
            _, name, place = min(free)
            left[name][place] = False
    return left


def empties(masks: Masks) -> Any:
    return pytest.warns(UserWarning, match="no weight in") if collapsed(masks) else contextlib.nullcontext()


@given(networks, scopes, st.sampled_from([0.25, 0.5, 0.75]), st.integers(0, 3))
def test_a_pool_loses_its_lowest_weights_and_a_layer_keeps_the_least_number(
    scores: dict[str, torch.Tensor], scope: tuple[str, list[str]], rate: float, least: int
) -> None:
    name, parts = scope
    expected: dict[str, list[bool]] = {}
    for pool in parts:
        expected |= one_by_one(scores, pool, rate, least)
    masks = {name: torch.tensor(mask) for name, mask in expected.items()}
    rates = {"conv": rate, "output": rate}
    with empties(masks):
        found = prune(scores, dense_masks(scores), kinds=KINDS, rates=rates, scope=name, least=least)
    assert {name: mask.tolist() for name, mask in found.items()} == expected
    sizes = {name: len(value) for name, value in scores.items()}
    planned = pool_schedule(sizes, KINDS, rates, 1, scope=name, least=least)[1]
    assert planned == {tuple(pool): sum(map(sum, (expected[name] for name in pool))) for pool in parts}


def test_the_pools_of_each_scope() -> None:
    assert pools(KINDS, "layerwise") == [("a",), ("b",), ("c",)]
    assert pools(KINDS, "kind") == [("a", "b"), ("c",)]
    assert pools(KINDS, "global") == [("a", "b", "c")]


def test_the_schedule_stops_at_the_least_number() -> None:
    sizes, rates = {"a": 10, "b": 100, "c": 4}, {"conv": 0.5, "output": 0.5}
    assert schedule(sizes, KINDS, rates, 4, least=8)[1:] == [
        {"a": 8, "b": 50, "c": 4},
        {"a": 8, "b": 25, "c": 4},
        {"a": 8, "b": 13, "c": 4},
        {"a": 8, "b": 8, "c": 4},
    ]
    assert pool_schedule(sizes, KINDS, rates, 4, scope="global", least=8)[4] == {("a", "b", "c"): 20}


def test_exact_numbers_stay_exact() -> None:
    scores = {"a": torch.arange(4.0), "b": torch.arange(4.0) + 10}
    dense = dense_masks(scores)
    left = survivors(dense)
    assert survivors(keep_in_pools(scores, dense, pools_to_keep({"a": 1}, left))) == {"a": 1, "b": 4}
    assert survivors(keep_in_pools(scores, dense, pools_to_keep(5, left))) == {"a": 1, "b": 4}
    assert survivors(keep_in_pools(scores, dense, pools_to_keep(5, left), 2)) == {"a": 2, "b": 3}
    with pytest.raises(UserError, match="3 weights are to stay in a, b, and 4 are with at least 2 in each tensor"):
        keep_in_pools(scores, dense, pools_to_keep(3, left), 2)


def test_scores_may_be_truths() -> None:
    scores = {"a": torch.tensor([True, False, True, False])}
    found = keep_in_pools(scores, dense_masks(scores), {("a",): 1})
    assert found["a"].tolist() == [False, False, True, False]
