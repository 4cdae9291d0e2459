"""Who trains what when: played through with a clock of numbers."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.lottery.only import Only
from app.lottery.prerequisites import prerequisites, series, trainings_in_a_row
from app.lottery.settings import Pruning
from app.lottery.workers.schedule import Schedule
from app.runs.layout import NetworkKey


@st.composite
def lotteries(draw: st.DrawFn) -> Pruning:
    methods = draw(st.sampled_from([["iterative"], ["one_shot"], ["iterative", "one_shot"]]))
    controls = st.integers(0, 2 if "iterative" in methods else 0)
    return Pruning(
        rounds=draw(st.integers(0, 4)),
        methods=methods,
        random_reinit=draw(controls),
        random_mask=draw(controls),
        replicates=draw(st.integers(1, 4)),
    )


@dataclass
class Play:
    """A lottery trained by workers that take as long as they are told to."""

    settings: Pruning
    workers: int
    finished: set[NetworkKey] = field(default_factory=set)
    fails: frozenset[NetworkKey] = frozenset()
    seconds: dict[NetworkKey, int] = field(default_factory=dict)
    trained: dict[NetworkKey, int] = field(default_factory=dict)  # by whom
    left_out: list[NetworkKey] = field(default_factory=list)
    now: int = 0

    def run(self) -> "Play":
        schedule = Schedule(self.settings, self.finished, self.workers)
        done = set(self.finished)
        ends: dict[int, int] = {}
        while not schedule.is_over:
            self._hand_out(schedule, ends, done)
            assert ends, "nobody trains, and there is something to train"
            self.now = min(ends.values())
            for worker in [worker for worker, end in ends.items() if end == self.now]:
                del ends[worker]
                key = schedule.training(worker)
                assert key is not None
                if key in self.fails:
                    self.left_out += schedule.fail(worker)
                else:
                    done.add(schedule.finish(worker))
        return self

    def _hand_out(self, schedule: Schedule, ends: dict[int, int], done: set[NetworkKey]) -> None:
        handed = True
        while handed:  # who closes a series makes it free for others
            handed = False
            for worker in range(self.workers):
                if worker in ends:
                    continue
                key = schedule.take(worker)
                if key is None:
                    schedule.released(worker)
                    continue
                assert key not in self.trained
                assert key not in self.finished
                assert done.issuperset(prerequisites(self.settings, key))
                in_hand = [schedule.training(other) for other in ends]
                assert series(key) not in [series(other) for other in in_hand if other is not None]
                schedule.begun(worker)
                self.trained[key] = worker
                ends[worker] = self.now + self.seconds.get(key, 1)
                handed = True


@given(lotteries(), st.integers(1, 4), st.data())
def test_everything_is_trained_once_after_what_it_is_made_from(
    settings: Pruning, workers: int, data: st.DataObject
) -> None:
    keys = list(settings.networks())
    finished = set(keys[: data.draw(st.integers(0, len(keys)))])
    seconds = {key: data.draw(st.integers(1, 9)) for key in keys}
    play = Play(settings, workers, finished=finished, seconds=seconds).run()
    assert set(play.trained) == set(keys) - finished
    assert not play.left_out
    # Graham (1966): whoever never lets a worker idle without need stays within this.
    heights: dict[NetworkKey, int] = {}
    for key in keys:
        if key not in finished:
            earlier = [*prerequisites(settings, key), replace(key, round=key.round - 1)]
            heights[key] = seconds[key] + max(heights.get(other, 0) for other in earlier)
    work, longest = sum(seconds[key] for key in heights), max(heights.values(), default=0)
    assert play.now <= work / workers + longest * (1 - 1 / workers) + 1e-9


@given(lotteries(), st.integers(1, 4), st.data())
def test_what_fails_takes_only_its_own_with_it(settings: Pruning, workers: int, data: st.DataObject) -> None:
    keys = list(settings.networks())
    fails = frozenset(key for key in keys if data.draw(st.integers(0, 4)) == 0)
    spoilt: set[NetworkKey] = set()
    for key in keys:
        if spoilt.intersection(prerequisites(settings, key)) or key in fails:
            spoilt.add(key)
    play = Play(settings, workers, fails=fails).run()
    assert set(play.trained) == {key for key in keys if not spoilt.intersection(prerequisites(settings, key))}
    assert len(play.left_out) == len(set(play.left_out))
    assert set(play.left_out) == set(keys) - set(play.trained)


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("replicates", [1, 2, 3, 5])
@pytest.mark.parametrize("controls", [0, 1, 3])
def test_networks_of_one_length_take_no_longer_than_they_must(workers: int, replicates: int, controls: int) -> None:
    settings = Pruning(rounds=6, random_reinit=controls, replicates=replicates)
    keys = list(settings.networks())
    least = trainings_in_a_row(settings, keys, workers)
    # One more where the first controls wait for the first ticket.
    assert least <= Play(settings, workers).run().now <= least + 1


def test_chains_are_not_starved_by_controls() -> None:
    settings = Pruning(rounds=8, methods=["iterative", "one_shot"], random_reinit=3, random_mask=3)
    play = Play(settings, 2)
    chain = [key for key in settings.networks() if key.method in ("dense", "iterative")]
    play.seconds = {key: 1 if key in chain else 5 for key in settings.networks()}
    play.run()
    assert len({play.trained[key] for key in chain[1:]}) == 1


def test_a_worker_keeps_to_its_series() -> None:
    settings = Pruning(rounds=6, replicates=4, random_reinit=2)
    play = Play(settings, 2).run()
    for replicate in range(4):
        rounds = [key for key in settings.networks() if key.replicate == replicate and key.method == "iterative"]
        assert len({play.trained[key] for key in rounds}) == 1


def test_what_others_train_is_passed_over_and_waited_for() -> None:
    settings = Pruning(rounds=2, replicates=2, only=Only(replicates="0-1", methods="iterative", rounds="0-2"))
    schedule, done, theirs = Schedule(settings, set(), 2), set[NetworkKey](), set[NetworkKey]()

    def look() -> list[NetworkKey]:
        return schedule.look(done.__contains__, lambda key: "process 7" if key in theirs else None)

    first, second = schedule.take(0), schedule.take(1)
    assert first is not None
    assert second is not None
    assert (first.replicate, second.replicate) == (0, 1)
    theirs.add(first)
    assert schedule.elsewhere(0) == first
    assert schedule.take(0) is None
    schedule.released(0)
    assert not schedule.is_idle, "the other worker trains"
    schedule.finish(1)
    third = schedule.take(1)
    assert third == NetworkKey(1, "iterative", 1)
    assert look() == []
    assert schedule.take(0) is None

    done.add(first)  # and they train the next one
    theirs.clear()
    ticket = NetworkKey(0, "iterative", 1)
    assert look() == [first]
    assert schedule.take(0) == ticket
    theirs.add(ticket)
    schedule.elsewhere(0)
    assert schedule.take(0) is None
    schedule.released(0)
    schedule.finish(1)
    assert schedule.take(1) == NetworkKey(1, "iterative", 2)
    schedule.finish(1)
    assert schedule.is_idle
    assert schedule.depends
    theirs.clear()  # given up
    assert look() == []
    assert not schedule.is_idle
    assert schedule.take(1) == ticket
    schedule.finish(1)
    assert schedule.take(1) == NetworkKey(0, "iterative", 2)
    schedule.finish(1)
    assert schedule.is_over


def test_what_is_no_part_of_a_command_is_waited_for_or_left() -> None:
    settings = Pruning(rounds=2, random_reinit=1, only=Only(methods="random_reinit"))
    dense, first, _, *controls = settings.networks()
    done = {dense}
    schedule = Schedule(settings, done, 1)
    assert schedule.take(0) is None
    assert schedule.depends
    done.add(first)
    assert schedule.look(done.__contains__, lambda key: None) == []
    assert schedule.take(0) == controls[0]
    schedule.finish(0)
    assert schedule.is_idle
    assert schedule.give_up() == controls[1:]
    assert schedule.is_over
