"""What a network is made from: against the files that the lottery reads when it makes its starting point."""

from pathlib import Path

import pytest
from helpers.tiny_lottery import lottery
from hypothesis import given
from hypothesis import strategies as st

from app.lottery.prerequisites import chain_lengths, prerequisites, series, trainings_in_a_row
from app.lottery.settings import Pruning
from app.runs import recorded_tensors
from app.runs.layout import NetworkKey

EVERYTHING = {"methods": ["iterative", "one_shot"], "random_reinit": 1, "random_mask": 1}


@st.composite
def lotteries(draw: st.DrawFn) -> Pruning:
    methods = draw(st.sampled_from([[], ["iterative"], ["one_shot"], ["iterative", "one_shot"]]))
    controls = st.integers(0, 2 if "iterative" in methods else 0)
    return Pruning(
        rounds=draw(st.integers(0, 4)),
        methods=methods,
        random_reinit=draw(controls),
        random_mask=draw(controls),
        replicates=draw(st.integers(1, 4)),
    )


@pytest.mark.parametrize("options", [EVERYTHING, {"methods": ["one_shot"]}], ids=["everything", "one_shot"])
def test_a_network_is_read_from_its_prerequisites(
    options: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = lottery(tmp_path, **options)
    drawn.run()
    owner = {drawn.layout.network(key).root: key for key in drawn.settings.networks()}
    read: list[Path] = []
    load = recorded_tensors.read_tensors
    monkeypatch.setattr("app.lottery.finished_networks.read_tensors", lambda path: (read.append(path), load(path))[1])
    for key in drawn.settings.networks():
        read.clear()
        drawn.settings.method(key).origin(key, drawn.networks_before)
        made_from = {owner[path.parent] for path in read if path.parent in owner}
        needed = set(prerequisites(drawn.settings, key))
        assert needed <= made_from
        before = set(needed)
        while before:  # the dense network may be read long after
            before = {earlier for later in before for earlier in prerequisites(drawn.settings, later)} - needed
            needed |= before
        assert made_from <= needed


@given(lotteries())
def test_networks_are_listed_after_their_prerequisites(settings: Pruning) -> None:
    seen: set[NetworkKey] = set()
    for key in settings.networks():
        assert seen.issuperset(prerequisites(settings, key))
        seen.add(key)


@given(lotteries(), st.data())
def test_a_chain_is_as_long_as_the_longest_behind_it_and_one(settings: Pruning, data: st.DataObject) -> None:
    keys = list(settings.networks())
    missing = {key for key in keys if data.draw(st.booleans())}

    def follows(after: NetworkKey, key: NetworkKey) -> bool:
        return key in prerequisites(settings, after) or (series(after) == series(key) and after.round == key.round + 1)

    def longest(key: NetworkKey) -> int:
        return 1 + max((longest(after) for after in missing if follows(after, key)), default=0)

    assert chain_lengths(settings, missing) == {key: longest(key) for key in keys if key in missing}


def test_time_is_an_equal_share_or_the_longest_chain() -> None:
    settings = Pruning(rounds=3, random_reinit=1, replicates=2)
    keys = list(settings.networks())
    assert len(keys) == 14
    # dense, three rounds, the last control
    assert [trainings_in_a_row(settings, keys, workers) for workers in (1, 2, 3, 14)] == [14, 7, 5, 5]
    assert trainings_in_a_row(settings, keys[-3:], 2) == 3  # of one series
    assert trainings_in_a_row(settings, [], 2) == 0


def test_shorter_trainings_take_their_share_of_the_time() -> None:
    settings = Pruning(rounds=3, methods=["iterative", "fine_tuning"])
    keys = list(settings.networks())

    def length(key: NetworkKey) -> float:
        return 0.25 if key.method == "fine_tuning" else 1

    assert trainings_in_a_row(settings, keys, 1, length) == 4 + 0.75
    assert trainings_in_a_row(settings, keys, 7, length) == 4
    assert chain_lengths(settings, keys, length)[keys[-1]] == 0.25
