"""Which networks are in one job, and after which others it is submitted."""

from collections.abc import Collection, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from typing_extensions import override

from app.common.errors import UserError
from app.lottery.launch.tasks import Submission, submissions
from app.lottery.methods import Finished, Method, Origin
from app.lottery.only import Only
from app.lottery.prerequisites import prerequisites
from app.lottery.settings import Pruning
from app.runs.layout import NetworkKey


def of(settings: Pruning, finished: Collection[NetworkKey] = (), queued: dict[NetworkKey, str] | None = None):
    queued = queued or {}
    missing = [key for key in settings.selected() if key not in finished and key not in queued]
    return submissions("x", settings, missing, queued, finished)


def told(found: list[Submission]) -> list[tuple[str, list[dict[str, object]], int]]:
    """Name, parts, and the number of tasks that each waits for."""
    return [(each.name, [task.only for task in each.tasks], len(each.after)) for each in found]


def test_a_chain_is_a_job_and_its_controls_are_an_array_behind_it() -> None:
    settings = Pruning(rounds=3, replicates=2, random_reinit=2, random_mask=1)
    found = of(settings)
    assert told(found)[:2] == [
        (f"x-r{r}-iterative", [{"replicates": r, "methods": ["dense", "iterative"], "rounds": "0-3"}], 0)
        for r in (0, 1)
    ]
    controls = [("random_reinit", "0"), ("random_reinit", "1"), ("random_mask", "0")]
    assert told(found)[2:] == [
        (
            f"x-r{r}-controls",
            [{"replicates": r, "methods": [name], "rounds": "1-3", "branches": branch} for name, branch in controls],
            1,
        )
        for r in (0, 1)
    ]
    assert [next(iter(each.after)) for each in found[2:]] == [each.tasks[0] for each in found[:2]]


def test_another_chain_is_a_job_of_its_own() -> None:
    """Of learning-rate rewinding, say, which begins with the dense network."""
    found = of(Pruning(rounds=1, methods=["iterative", "lr_rewinding", "one_shot", "snip"]))
    assert [(each.name, len(each.after)) for each in found] == [
        *(("x-r0-iterative", 0), ("x-r0-lr_rewinding", 1), ("x-r0-methods", 1)),
    ]


def test_what_is_finished_or_queued_is_not_submitted_and_what_is_queued_is_waited_for() -> None:
    settings = Pruning(rounds=3, random_reinit=1)
    keys = list(settings.networks())
    dense, first, second, third = keys[:4]
    found = of(settings, finished={dense, first}, queued={second: "7", third: "7", keys[-1]: "8_2"})
    assert [(each.name, each.after, each.after_jobs) for each in found] == [
        ("x-r0-random_reinit", frozenset(), ("7",)),
    ]
    assert found[0].tasks[0].only["rounds"] == "1-2"
    assert not of(settings, finished=set(keys))
    assert told(of(settings, finished={dense, first}))[0][1] == [
        {"replicates": 0, "methods": ["iterative"], "rounds": "2-3"}
    ]


def test_a_part_that_lacks_what_it_is_made_from_is_refused() -> None:
    settings = Pruning(rounds=2, random_reinit=1, only=Only(methods="random_reinit"))
    said = r"^replicate 0, random_reinit 0, round 1 is made from replicate 0, iterative, round 1, which is not finished"
    with pytest.raises(UserError, match=said):
        of(settings)
    assert len(of(settings, finished=list(Pruning(rounds=2).networks()))) == 1


class Left(Method):
    """Each of two methods is made from the other's round before."""

    name, other = "left", "right"

    @override
    def needs(self, key: NetworkKey, methods: Collection[str]) -> tuple[NetworkKey, ...]:
        return () if key.round == 1 else (NetworkKey(key.replicate, self.other, key.round - 1),)

    @override
    def origin(self, key: NetworkKey, finished: Finished) -> Origin:
        raise NotImplementedError

    @override
    def weights(self, key: NetworkKey, finished: Finished) -> dict[str, Tensor]:
        raise NotImplementedError

    @override
    def networks(self, replicate: int, rounds: int) -> Iterator[NetworkKey]:
        for round in range(1, rounds + 1):
            yield NetworkKey(replicate, self.name, round)


class Right(Left):
    name, other = "right", "left"


def test_series_that_need_each_other_are_one_job() -> None:
    (dense, both) = of(Pruning(rounds=3, methods=[Left(), Right()]))
    assert dense.tasks[0].only["methods"] == ["dense"]
    assert both.tasks[0].only == {"replicates": 0, "methods": ["left", "right"], "rounds": "1-3"}


@given(st.data())
def test_every_missing_network_is_in_one_job_after_those_that_it_needs(data: st.DataObject) -> None:
    methods = data.draw(
        st.sampled_from([["iterative"], ["one_shot"], ["iterative", "one_shot", "lr_rewinding", "snip", "continued"]])
    )
    settings = Pruning(
        rounds=data.draw(st.integers(0, 4)),
        replicates=data.draw(st.integers(1, 3)),
        methods=methods,
        random_mask=data.draw(st.integers(0, 2)) if "iterative" in methods else 0,
    )
    keys = list(settings.networks())
    state = {key: data.draw(st.sampled_from(["missing", "missing", "queued", "finished"])) for key in keys}
    finished = {key for key in keys if state[key] == "finished"}
    queued = {key: str(number) for number, key in enumerate(keys) if state[key] == "queued"}
    found = of(settings, finished, queued)
    place = {key: number for number, each in enumerate(found) for task in each.tasks for key in task.keys}
    assert set(place) == {key for key in keys if state[key] == "missing"}
    assert sum(len(task.keys) for each in found for task in each.tasks) == len(place)
    earlier: set[object] = set()
    for each in found:
        assert each.after <= earlier
        earlier.update(each.tasks)
        for task in each.tasks:
            own = Only(**task.only)  # type: ignore[arg-type]
            assert all(own.includes(key) for key in task.keys)
            done = set(finished) | {key for key, job in queued.items() if job in each.after_jobs}
            done.update(key for other in each.after for key in other.keys)
            for key in task.keys:
                assert done.issuperset(prerequisites(settings, key)), key
                done.add(key)
