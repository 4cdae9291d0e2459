"""Pruning against counts by hand, brute force, and the figures of the paper."""

import decimal
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import RunError, UserError
from app.common.prunable import prunable_parameters
from app.nets import LeNet
from app.pruning import (
    Masks,
    check_kinds,
    check_rates,
    dense_masks,
    density,
    keep,
    pruned_count,
    schedule,
    select,
    survivors,
    weight_sizes,
)
from app.pruning.scores import Magnitude, RandomOrder

LENET_RATES = {"fc": 0.2, "output": 0.1}
rates = st.decimals(min_value="0.01", max_value="0.99", places=2).map(float)
# Few distinct values, so that ties are the rule.
tensors = st.lists(st.integers(-3, 3), min_size=1, max_size=30).map(lambda values: torch.tensor(values) / 2)


def magnitudes(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return Magnitude()(weights, weights, weights, dict)


def prune(weights: dict[str, torch.Tensor], masks: Masks, **options: object) -> Masks:
    """Magnitude pruning: the lowest |w| go."""
    return select.prune(magnitudes(weights), masks, **options)


def keep_largest(weights: dict[str, torch.Tensor], counts: dict[str, int]) -> Masks:
    """One-shot pruning of a dense network to exact counts."""
    return keep(magnitudes(weights), dense_masks(weights), counts)


def random_masks(masks: Masks, generator: torch.Generator) -> Masks:
    """As many survivors in random places."""
    dense = dense_masks(masks)
    return keep(RandomOrder(generator)({}, {}, dense, dict), dense, survivors(masks))


def brute_force(weight: list[float], mask: list[bool], rate: float) -> list[bool]:
    """Remove the smallest one at a time, the first of equals, as often as the rate says."""
    mask = list(mask)
    times = int((decimal.Decimal(str(rate)) * sum(mask)).quantize(decimal.Decimal(1), rounding=decimal.ROUND_HALF_EVEN))
    for _ in range(times):
        alive = [i for i in range(len(mask)) if mask[i]]
        smallest = min(abs(weight[i]) for i in alive)
        mask[next(i for i in alive if abs(weight[i]) == smallest)] = False
    return mask


@pytest.mark.parametrize(
    ("round", "counts"),
    [
        (0, [235200, 30000, 1000]),
        (1, [188160, 24000, 900]),
        (7, [49325, 6291, 478]),
        (15, [8275, 1056, 206]),
        (17, [5296, 676, 167]),
    ],
)
def test_lenet_keeps_the_papers_counts(round: int, counts: list[int]) -> None:
    net = LeNet()
    table = schedule(weight_sizes(net), prunable_parameters(net), LENET_RATES, 17)
    assert list(table[round].values()) == counts


def test_pruning_lenet_gives_what_the_schedule_says() -> None:
    net = LeNet()
    weights, kinds = {n: p.detach() for n, p in net.named_parameters() if p.ndim > 1}, prunable_parameters(net)
    masks = dense_masks(weights)
    for counts in schedule(weight_sizes(net), kinds, LENET_RATES, 17):
        assert survivors(masks) == counts
        masks = prune(weights, masks, kinds=kinds, rates=LENET_RATES)


def test_density_of_fifteen_rounds_is_the_papers() -> None:
    net = LeNet()
    sizes = weight_sizes(net)
    table = schedule(sizes, prunable_parameters(net), LENET_RATES, 15)
    percent = [round(100 * density(sizes, counts), 2) for counts in table]
    paper = [100, 80.04, 64.06, 51.28, 41.05, 32.87, 26.32, 21.07, 16.88, 13.52, 10.83, 8.68, 6.95, 5.57, 4.47, 3.58]
    assert percent == paper


@pytest.mark.parametrize(
    ("rate", "n", "count"),
    [(0.1, 5, 0), (0.1, 15, 2), (0.1, 25, 2), (0.5, 7, 4), (0.145, 100, 14), (0.2, 235200, 47040)],
)
def test_halves_go_to_even(rate: float, n: int, count: int) -> None:
    assert pruned_count(rate, n) == count


@given(tensors, rates, st.data())
def test_layerwise_is_brute_force(weight: torch.Tensor, rate: float, data: st.DataObject) -> None:
    mask = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(weight), max_size=len(weight))))
    expected = brute_force(weight.tolist(), mask.tolist(), rate)
    if mask.any() and not any(expected):
        with pytest.warns(UserWarning, match="no weight in w"):
            got = prune({"w": weight}, {"w": mask}, kinds={"w": "fc"}, rates={"fc": rate})
    else:
        got = prune({"w": weight}, {"w": mask}, kinds={"w": "fc"}, rates={"fc": rate})
    assert got["w"].tolist() == expected


@given(tensors, tensors, rates)
def test_a_kind_is_ranked_as_one(first: torch.Tensor, second: torch.Tensor, rate: float) -> None:
    together = torch.cat([first, second])
    expected = brute_force(together.tolist(), [True] * len(together), rate)
    weights = {"a": first, "b": second}
    # The order in which tensors are given must not matter.
    for names in (["a", "b"], ["b", "a"]):
        given_weights = {name: weights[name] for name in names}
        if not all((any(expected[: len(first)]), any(expected[len(first) :]))):
            with pytest.warns(UserWarning, match="no weight in"):
                got = _prune_the_kind(given_weights, rate)
        else:
            got = _prune_the_kind(given_weights, rate)
        assert got["a"].tolist() + got["b"].tolist() == expected


def _prune_the_kind(weights: dict[str, torch.Tensor], rate: float) -> dict[str, torch.Tensor]:
    kinds = dict.fromkeys(weights, "conv")
    return prune(weights, dense_masks(weights), kinds=kinds, rates={"conv": rate}, scope="kind")


def test_scope_kind_keeps_kinds_apart() -> None:
    weights = {"a": torch.tensor([1.0, 2.0, 3.0, 4.0]), "b": torch.tensor([0.1, 0.2]), "c": torch.tensor([9.0, 8.0])}
    kinds = {"a": "conv", "b": "conv", "c": "output"}
    masks = prune(weights, dense_masks(weights), kinds=kinds, rates={"conv": 0.17, "output": 0.5}, scope="kind")
    assert masks["a"].all()
    assert masks["b"].tolist() == [False, True]
    assert masks["c"].tolist() == [True, False]


@given(tensors, st.data())
def test_keep_largest_is_the_complement_of_brute_force(weight: torch.Tensor, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(weight)))
    if count:
        mask = keep_largest({"w": weight}, {"w": count})["w"]
    else:
        with pytest.warns(UserWarning, match="no weight in w"):
            mask = keep_largest({"w": weight}, {"w": count})["w"]
    order = sorted(range(len(weight)), key=lambda i: (abs(weight[i].item()), i))
    assert mask.nonzero().flatten().tolist() == sorted(order[len(order) - count :])


def test_one_shot_to_the_counts_of_one_round_is_that_round() -> None:
    weights = {"w": torch.randn(10, 10)}
    masks = prune(weights, dense_masks(weights), kinds={"w": "fc"}, rates={"fc": 0.2})
    assert keep_largest(weights, survivors(masks))["w"].equal(masks["w"])


def test_masks_are_nested_and_old_ones_untouched() -> None:
    weights = {"w": torch.randn(50)}
    before = dense_masks(weights)
    kept = before["w"].clone()
    after = prune(weights, before, kinds={"w": "fc"}, rates={"fc": 0.3})
    again = prune(weights, after, kinds={"w": "fc"}, rates={"fc": 0.3})
    assert before["w"].equal(kept)
    assert not (again["w"] & ~after["w"]).any()


def test_random_masks_keep_the_counts_in_other_places() -> None:
    masks = {"a": torch.arange(40).view(4, 10) < 10, "b": torch.arange(30) < 15}
    drawn = random_masks(masks, torch.Generator().manual_seed(1))
    assert survivors(drawn) == survivors(masks)
    assert drawn["a"].shape == masks["a"].shape
    assert not drawn["b"].equal(masks["b"])
    again = random_masks(masks, torch.Generator().manual_seed(1))
    assert all(drawn[name].equal(again[name]) for name in masks)


def test_random_masks_are_the_first_of_a_random_permutation() -> None:
    drawn = random_masks({"b": torch.arange(9) < 4, "a": torch.arange(6) < 2}, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    for name, size, count in (("a", 6, 2), ("b", 9, 4)):
        expected = torch.zeros(size, dtype=torch.bool)
        expected[torch.randperm(size, generator=generator)[:count]] = True
        assert drawn[name].equal(expected)


def test_more_than_are_left_cannot_stay() -> None:
    with pytest.raises(ValueError, match="1 more are to stay than are left"):
        keep({"w": torch.ones(2)}, {"w": torch.tensor([True, False])}, {"w": 2})


def test_random_masks_are_uniform() -> None:
    mask, generator = {"w": torch.arange(20) < 5}, torch.Generator().manual_seed(0)
    hits = sum(random_masks(mask, generator)["w"].float() for _ in range(4000))
    # Each place is kept with probability 1/4; five standard deviations of the binomial.
    assert (hits / 4000 - 0.25).abs().max() < 5 * math.sqrt(0.25 * 0.75 / 4000)


def test_a_layer_is_not_emptied_in_silence() -> None:
    weights = {"narrow": torch.tensor([1.0]), "wide": torch.ones(10)}
    with pytest.warns(UserWarning, match="no weight in narrow"):
        prune(weights, dense_masks(weights), kinds=dict.fromkeys(weights, "fc"), rates={"fc": 0.6})


def test_weights_that_are_not_finite_cannot_be_ranked() -> None:
    weights = {"w": torch.tensor([1.0, math.nan])}
    with pytest.raises(RunError, match=r"w holds weights that are not finite"):
        prune(weights, dense_masks(weights), kinds={"w": "fc"}, rates={"fc": 0.5})


@pytest.mark.parametrize("rate", [0, 1, -0.2, 1.2, math.nan, "much"])
def test_rates_lie_between_0_and_1(rate: float) -> None:
    with pytest.raises(UserError, match=r"rates\.fc is .*between 0 and 1"):
        check_rates({"fc": rate})


def test_kinds_and_rates_match() -> None:
    with pytest.raises(UserError, match="no rate for output"):
        check_kinds({"a": "fc", "b": "output"}, {"fc": 0.2})
    with pytest.raises(UserError, match="names conv"):
        check_kinds({"a": "fc"}, {"fc": 0.2, "conv": 0.1})
