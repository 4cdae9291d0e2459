"""What each method makes a network from, against plain loops over made-up networks."""

import zlib
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from app.common.errors import UserError
from app.lottery.methods import (
    METHODS,
    AtInitialisation,
    Continued,
    Control,
    Dense,
    DenseContinued,
    FineTuning,
    GraSPAtInit,
    Iterative,
    LRRewinding,
    MagnitudeAtInit,
    Method,
    OneShot,
    Origin,
    RandomAtInit,
    RandomBalanced,
    RandomERK,
    RandomMask,
    RandomReinit,
    Reshuffled,
    SameSignReinit,
    ShuffledMask,
    SNIPAtInit,
    SynFlowAtInit,
    WeightsOnly,
)
from app.pruning import keep, prune, scores
from app.pruning.scores import Magnitude
from app.runs.layout import NetworkKey

SHAPES = {"fc": (5, 4), "output": (3, 4)}
KINDS, RATES = {"fc": "fc", "output": "output"}, {"fc": 0.3, "output": 0.2}
State = dict[str, Tensor]


def generator_of(*parts: Any) -> torch.Generator:
    """Seeded by words, numbers and keys; whose control a network is does not tell it from others."""
    words = [str(replace(part, of="")) if isinstance(part, NetworkKey) else str(part) for part in parts]
    words += [str(part.branch) for part in parts if isinstance(part, NetworkKey)]
    return torch.Generator().manual_seed(zlib.crc32("/".join(words).encode()))


def drawn(*parts: Any) -> State:
    """A state for these words: weights without ties, and a bias."""
    generator = generator_of(*parts)
    return {name: torch.randn(shape, generator=generator) for name, shape in (SHAPES | {"bias": (3,)}).items()}


class Fake:
    """Networks that nobody trained; it notes what it is asked for."""

    def __init__(self, methods: Collection[str] = tuple(METHODS)) -> None:
        self.methods = methods
        self.read: list[NetworkKey] = []

    def initial(self, replicate: int) -> State:
        return drawn("initial", replicate)

    def rewind_point(self, replicate: int, method: str = "") -> State:
        return drawn("rewind", replicate)

    def final(self, key: NetworkKey) -> State:
        self.read.append(key)
        return drawn("final", key)

    def mask(self, key: NetworkKey) -> State:
        self.read.append(key)
        return self.mask_of(key)

    @staticmethod
    def mask_of(key: NetworkKey) -> State:
        return {name: drawn("mask", key)[name] > 0.2 * key.round - 1 for name in SHAPES}

    def dense_masks(self, replicate: int) -> State:
        return {name: torch.ones(shape, dtype=torch.bool) for name, shape in SHAPES.items()}

    def parts(self, tensors: State) -> State:
        return {name: tensors[name] for name in SHAPES}

    def scheduled_survivors(self, round: int) -> dict[str, int]:
        return {"fc": 20 - 3 * round, "output": 12 - round}

    def scheduled_total(self, round: int) -> int:
        return 30 - 5 * round

    def fresh_weights(self, key: NetworkKey) -> State:
        return drawn("fresh", key)

    def generator(self, key: NetworkKey) -> torch.Generator:
        return generator_of("generator", key)


def masks_of(origin: Origin) -> State:
    """The masks that the lottery makes of an origin."""
    trained = origin.trained if origin.trained is not None else origin.weights
    values = (origin.score or Magnitude())(trained, origin.weights, origin.masks, dict)
    if origin.survivors is None:
        return prune(values, origin.masks, kinds=KINDS, rates=RATES)
    return keep(values, origin.masks, origin.survivors)


def largest(weights: Tensor, among: Tensor, count: int) -> Tensor:
    """The mask of so many largest weights, one after the other."""
    left = torch.zeros_like(among)
    places = [(i, j) for i in range(len(among)) for j in range(among.shape[1]) if among[i, j]]
    for _ in range(count):
        place = max((place for place in places if not left[place]), key=lambda place: abs(float(weights[place])))
        left[place] = True
    return left


def same(first: State, second: State) -> bool:
    return first.keys() == second.keys() and all(first[name].equal(second[name]) for name in first)


def keys_of(method: Method) -> list[NetworkKey]:
    return [key for replicate in (0, 2) for key in method.networks(replicate, 3)]


def test_the_dense_network_is_whole_and_begins_with_the_initial_weights() -> None:
    (key,) = Dense().networks(2, 9)
    origin = Dense().origin(key, Fake())
    assert (key.replicate, key.method, key.round, key.path) == (2, "dense", 0, "replicate_2/round_00")
    assert same(dict(origin.weights), drawn("initial", 2))
    assert all(mask.all() for mask in masks_of(origin).values())


def test_an_iterative_ticket_prunes_the_network_before_it() -> None:
    for key in keys_of(Iterative()):
        before = NetworkKey(key.replicate, "dense" if key.round == 1 else "iterative", key.round - 1)
        fake = Fake()
        origin = Iterative().origin(key, fake)
        trained, old = drawn("final", before), Fake.mask_of(before)
        for name, mask in masks_of(origin).items():
            stays = int(old[name].sum()) - round(RATES[KINDS[name]] * int(old[name].sum()))
            assert mask.equal(largest(trained[name], old[name], stays))
        assert same(dict(origin.weights), drawn("rewind", key.replicate))
        assert set(fake.read) == {before}


def test_one_shot_prunes_the_dense_network_to_the_tickets_counts() -> None:
    for key in keys_of(OneShot()):
        ticket, dense = NetworkKey(key.replicate, "iterative", key.round), NetworkKey(key.replicate, "dense", 0)
        origin = OneShot().origin(key, Fake())
        for name, mask in masks_of(origin).items():
            count = int(Fake.mask_of(ticket)[name].sum())
            assert mask.equal(largest(drawn("final", dense)[name], torch.ones(SHAPES[name]).bool(), count))
        assert same(dict(origin.weights), drawn("rewind", key.replicate))


def test_one_shot_alone_prunes_to_what_the_rates_say() -> None:
    for key in keys_of(OneShot()):
        fake = Fake(methods=["dense", "one_shot"])
        masks = masks_of(OneShot().origin(key, fake))
        counts = {"fc": 20 - 3 * key.round, "output": 12 - key.round}
        assert {name: int(mask.sum()) for name, mask in masks.items()} == counts
        assert fake.read == [NetworkKey(key.replicate, "dense", 0)]


AT_INITIALISATION = {
    MagnitudeAtInit: Magnitude,
    RandomAtInit: scores.Random,
    SNIPAtInit: scores.SNIP,
    GraSPAtInit: scores.GraSP,
    SynFlowAtInit: scores.SynFlow,
}


@pytest.mark.parametrize("method", AT_INITIALISATION, ids=lambda method: method.name)
def test_pruning_at_initialisation_keeps_a_tickets_total_of_the_untrained_weights(
    method: type[AtInitialisation],
) -> None:
    for key in keys_of(method()):
        for made in (method(), method(inverted=True)):
            fake = Fake()
            origin = made.origin(key, fake)
            ticket = NetworkKey(key.replicate, "iterative", key.round)
            assert origin.survivors == sum(int(mask.sum()) for mask in Fake.mask_of(ticket).values())
            assert fake.read == [ticket]
            assert origin.trained is None
            assert same(dict(origin.weights), drawn("rewind", key.replicate))
            assert all(mask.all() for mask in origin.masks.values())
            score = origin.score.score if made.inverted else origin.score
            assert type(score) is AT_INITIALISATION[method]
            assert isinstance(origin.score, scores.Inverted) == made.inverted
        alone = method().origin(key, fake := Fake(methods=["dense", method.name]))
        assert (alone.survivors, fake.read) == (30 - 5 * key.round, [])
    assert method(inverted=True).described.title == f"{method.label} inverted"
    assert {method(inverted=True).name, method().name, method.name} == {method.name, f"{method.name}_inverted"}


def test_a_reinitialised_control_is_the_tickets_mask_on_fresh_weights() -> None:
    for key in keys_of(RandomReinit(branches=2)):
        origin = RandomReinit().origin(key, Fake())
        assert same(masks_of(origin), Fake.mask_of(NetworkKey(key.replicate, "iterative", key.round)))
        assert same(dict(origin.weights), drawn("fresh", key))


def test_a_random_mask_has_the_tickets_counts_on_the_tickets_weights() -> None:
    seen = []
    for key in keys_of(RandomMask(branches=2)):
        ticket = Fake.mask_of(NetworkKey(key.replicate, "iterative", key.round))
        origin = RandomMask().origin(key, Fake())
        masks = masks_of(origin)
        assert {name: int(mask.sum()) for name, mask in masks.items()} == {
            name: int(mask.sum()) for name, mask in ticket.items()
        }
        assert same(dict(origin.weights), drawn("rewind", key.replicate))
        seen.append(torch.cat([mask.flatten() for mask in masks.values()]))
        assert not seen[-1].equal(torch.cat([mask.flatten() for mask in ticket.values()]))
    assert not any(seen[i].equal(seen[j]) for i in range(len(seen)) for j in range(i))


@pytest.mark.parametrize(
    ("method", "begins_with", "said"),
    [
        (
            RandomMask,
            lambda finished, key: finished.rewind_point(key.replicate),
            "the weights that tickets are rewound to",
        ),
        (RandomReinit, lambda finished, key: finished.fresh_weights(key), "fresh weights"),
    ],
)
def test_what_is_said_of_a_controls_weights_is_so(method: type[Method], begins_with: Any, said: str) -> None:
    """The sentence stands below every figure."""
    key, finished = NetworkKey(0, method.name, 1, of="iterative"), Fake()
    expected = begins_with(finished, key)
    weights = method().origin(key, finished).weights
    assert weights.keys() == expected.keys()
    assert all(weights[name].equal(expected[name]) for name in expected)
    assert said in method.note


@pytest.mark.parametrize("method", [LRRewinding, FineTuning, WeightsOnly])
def test_methods_that_change_the_training_prune_their_own_network_before(method: type[Method]) -> None:
    for key in keys_of(method()):
        before = NetworkKey(key.replicate, "dense" if key.round == 1 else method.name, key.round - 1)
        origin = method().origin(key, Fake())
        trained, old = drawn("final", before), Fake.mask_of(before)
        for name, mask in masks_of(origin).items():
            stays = int(old[name].sum()) - round(RATES[KINDS[name]] * int(old[name].sum()))
            assert mask.equal(largest(trained[name], old[name], stays))
        rewound = drawn("rewind", key.replicate)
        assert same(dict(origin.weights), rewound if method is WeightsOnly else trained)
        assert same(dict(origin.scored_from or origin.weights), rewound)
        assert method().continues(key) == (() if method is WeightsOnly else (before,))


def test_continued_training_ends_with_the_chains_mask_rewound() -> None:
    for key in keys_of(Continued()):
        origin = Continued().origin(key, Fake())
        assert same(masks_of(origin), Fake.mask_of(NetworkKey(key.replicate, "lr_rewinding", key.round)))
        assert same(dict(origin.weights), drawn("rewind", key.replicate))


def test_dense_training_goes_on_with_all_weights() -> None:
    for key in keys_of(DenseContinued()):
        before = NetworkKey(key.replicate, "dense" if key.round == 1 else "dense_continued", key.round - 1)
        origin = DenseContinued().origin(key, Fake())
        assert all(mask.all() for mask in masks_of(origin).values())
        assert same(dict(origin.weights), drawn("final", before))


def test_random_masks_of_a_tickets_total_are_spread_by_their_rule() -> None:
    """Shapes (5, 4) and (3, 4): nine to seven for ERK, half and half for balanced; the smaller layer has twelve."""
    for method, share in ((RandomERK, 7 / 16), (RandomBalanced, 1 / 2)):
        for key in keys_of(method()):
            ticket = Fake.mask_of(NetworkKey(key.replicate, "iterative", key.round))
            total = sum(int(mask.sum()) for mask in ticket.values())
            origin = method().origin(key, Fake())
            counts = {name: int(mask.sum()) for name, mask in masks_of(origin).items()}
            assert sum(counts.values()) == total
            assert abs(counts["output"] - min(total * share, 12)) < 1
            assert same(dict(origin.weights), drawn("rewind", key.replicate))


def test_a_shuffled_mask_has_the_tickets_counts_and_other_places() -> None:
    keys = keys_of(ShuffledMask(branches=2))
    moved = 0
    for key in keys:
        ticket = Fake.mask_of(NetworkKey(key.replicate, "iterative", key.round))
        masks = masks_of(ShuffledMask().origin(key, Fake()))
        assert {name: int(mask.sum()) for name, mask in masks.items()} == {
            name: int(mask.sum()) for name, mask in ticket.items()
        }
        moved += not same(masks, ticket)
    assert moved == len(keys)


def test_the_same_sign_and_a_fresh_magnitude() -> None:
    for key in keys_of(SameSignReinit()):
        origin = SameSignReinit().origin(key, Fake())
        start, fresh = drawn("rewind", key.replicate), drawn("fresh", key)
        assert same(masks_of(origin), Fake.mask_of(NetworkKey(key.replicate, "iterative", key.round)))
        for name in SHAPES:
            for value, old, new in zip(*(w[name].flatten() for w in (origin.weights, start, fresh)), strict=True):
                assert (value > 0) == (old > 0)
                assert abs(value) == abs(new)
        assert origin.weights["bias"].equal(start["bias"])


def test_reshuffled_survivors_have_the_same_values_in_other_places() -> None:
    for key in keys_of(Reshuffled()):
        origin, ticket = (
            Reshuffled().origin(key, Fake()),
            Fake.mask_of(NetworkKey(key.replicate, "iterative", key.round)),
        )
        start = drawn("rewind", key.replicate)
        assert same(masks_of(origin), ticket)
        for name, mask in ticket.items():
            assert origin.weights[name][~mask].equal(start[name][~mask])
            assert sorted(origin.weights[name][mask].tolist()) == sorted(start[name][mask].tolist())
        assert origin.weights["bias"].equal(start["bias"])
        assert not same(dict(origin.weights), start)


CONTROLS = [method for method in METHODS.values() if issubclass(method, Control)]


@pytest.mark.parametrize("method", CONTROLS, ids=lambda method: method.name)
def test_a_control_of_another_methods_tickets_has_its_name_and_its_masks(method: type[Control]) -> None:
    made = method(of="one_shot", branches=2)
    (key, *_) = made.networks(0, 1)
    assert key == NetworkKey(0, f"{method.name}_of_one_shot", 1)
    assert key.path == f"replicate_0/one_shot/round_01/{method.name}_of_one_shot_0"
    assert NetworkKey.of_path(key.path) == key
    assert made.described.title == f"{method.label} of one shot"
    assert made.needs(key, ()) == (NetworkKey(0, "one_shot", 1),)
    fake = Fake()
    made.origin(key, fake)
    assert fake.read == [NetworkKey(0, "one_shot", 1)] * len(fake.read) != []
    assert method().name == method.name, "the class is as before"


@pytest.mark.parametrize("method", [LRRewinding, FineTuning])
def test_a_round_of_no_iterations_is_refused(method: type[LRRewinding]) -> None:
    with pytest.raises(UserError, match=rf"{method.name}: iterations is 0; expected 1 or more"):
        method(iterations=0)


def test_random_masks_fall_on_every_weight_alike() -> None:
    """A third of twelve weights, over many draws: a binomial count for each."""

    class Ticket(Fake):
        @staticmethod
        def mask_of(key: NetworkKey) -> State:
            return {name: torch.arange(rows * 4).view(rows, 4) % 3 == 0 for name, (rows, _) in SHAPES.items()}

    draws = 600
    total = sum(
        masks_of(RandomMask().origin(NetworkKey(0, "random_mask", 1, branch, of="iterative"), Ticket()))["output"].int()
        for branch in range(draws)
    )
    assert int(total.sum()) == draws * 4
    deviation = (draws * (1 / 3) * (2 / 3)) ** 0.5
    assert (total - draws / 3).abs().max() < 4.5 * deviation


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_network_reads_weights_of_what_it_says_and_files_of_what_it_needs(method: type[Method]) -> None:
    made = method()

    class Noting(Fake):
        def __init__(self, methods: Collection[str]) -> None:
            super().__init__(methods)
            self.weights: list[NetworkKey] = []

        def rewind_point(self, replicate: int, method: str = "") -> State:
            self.read.append(NetworkKey(replicate, "dense", 0))  # whose training passes it
            return super().rewind_point(replicate)

        def final(self, key: NetworkKey) -> State:
            self.weights.append(key)
            return super().final(key)

    for methods in (list(METHODS), ["dense", made.name]):
        for key in keys_of(made):
            if made.of and made.of not in methods:
                continue
            fake = Noting(methods)
            made.origin(key, fake)
            assert set(fake.weights) == set(made.reads_weights_of(key))
            # One-shot needs its ticket, and with it the dense network that the ticket itself needed.
            needed = set(made.needs(key, methods))
            assert needed <= set(fake.read)
            assert set(fake.read) - needed <= {NetworkKey(key.replicate, "dense", 0)}


@given(st.integers(1, 4), st.integers(0, 4), st.integers(0, 3))
def test_a_control_makes_its_branches_one_after_the_other(branches: int, rounds: int, replicate: int) -> None:
    for kind in (RandomReinit, RandomMask):
        keys = list(kind(branches=branches).networks(replicate, rounds))
        assert [(key.branch, key.round) for key in keys] == [
            (branch, round) for branch in range(branches) for round in range(1, rounds + 1)
        ]
        assert {(key.replicate, key.method, key.of) for key in keys} <= {(replicate, kind.name, "iterative")}


@pytest.mark.parametrize("branches", [0, -1])
def test_a_control_without_networks_is_refused(branches: int) -> None:
    with pytest.raises(UserError, match=rf"random_mask: branches is {branches}; expected 1 or more"):
        RandomMask(branches=branches)


def test_a_method_of_ones_own_gets_by_with_two_functions() -> None:
    class Mine(Method):
        name = "my_own"

        def needs(self, key: NetworkKey, methods: Any) -> tuple[NetworkKey, ...]:
            return (NetworkKey(key.replicate, "dense", 0),)

        def origin(self, key: NetworkKey, finished: Any) -> Origin:
            return Origin(weights=self.weights(key, finished), masks=finished.dense_masks(key.replicate))

    key = NetworkKey(1, "my_own", 2)
    assert Mine().reads_weights_of(key) == (NetworkKey(1, "dense", 0),)
    assert same(Mine().weights(key, Fake()), drawn("rewind", 1))
    assert Mine().callbacks(key) == []
    assert (Mine().described.title, Mine().described.of) == ("my own", "")
    masks = masks_of(Mine().origin(key, Fake()))
    whole = torch.ones(5, 4, dtype=torch.bool)
    assert masks["fc"].equal(largest(drawn("rewind", 1)["fc"], whole, 14))  # its own weights are scored
