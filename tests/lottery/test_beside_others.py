"""Several processes in one run directory: each network is trained once, and by whom is told."""

import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.tiny_lottery import ITERATIONS, everything, lottery

from app.common.errors import Interrupted, RunError, UserError
from app.lottery import turns
from app.lottery.only import Only
from app.lottery.rounds import Lottery
from app.lottery.turns import all_held
from app.runs.at_work import at_work, processes, remove_traces, shared_files
from app.runs.layout import NetworkKey, RunLayout
from app.runs.lock import FileLock, held_by
from app.runs.table import Result, read_results

SETTINGS = {"replicates": 2, "methods": ["iterative", "one_shot"], "random_reinit": 1}
DENSE = NetworkKey(0, "dense", 0)
ME = f"process {os.getpid()} on {socket.gethostname()}"


class Told:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.skipped = 0

    def note(self, line: str) -> None:
        self.lines.append(line)

    def skip(self, iterations: int) -> None:
        self.skipped += iterations


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    root = tmp_path_factory.mktemp("alone")
    lottery(root, **SETTINGS).run()
    return everything(root)


@pytest.fixture
def polls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Callable[[], object]]]:
    """What happens while the lottery waits, one call for each look; it must not look again afterwards."""
    planned: list[Callable[[], object]] = []
    monkeypatch.setattr(turns.time, "sleep", lambda seconds: planned.pop(0)())
    yield planned
    assert not planned, "it did not wait"


def beside(drawn: Lottery, told: Told, stop: Callable[[], bool] = bool) -> list[Result]:
    return drawn.run_beside_others(stop, told, ITERATIONS)  # type: ignore[arg-type]


def test_it_passes_over_what_another_trains_and_takes_it_when_that_is_given_up(
    expected: dict[str, object], tmp_path: Path, polls: list[Callable[[], object]]
) -> None:
    run, told = RunLayout(tmp_path), Told()
    other = FileLock(run.network(DENSE).lock)
    assert other.take()
    order: list[tuple[int, str, int]] = []
    drawn = lottery(run.root, **SETTINGS)
    trained = drawn.train

    def note(job):  # type: ignore[no-untyped-def]
        assert held_by(run.network(job.key).lock), "whoever trains a network has its lock"
        order.append((job.key.replicate, job.key.method, job.key.round))
        return trained(job)

    object.__setattr__(drawn, "train", note)
    polls += [lambda: None, other.release]
    assert len(beside(drawn, told)) == 14
    assert [replicate for replicate, _, _ in order] == [1] * 7 + [0] * 7
    assert len(set(order)) == 14
    said = rf"replicate 0, dense, round 0: trained by {ME} since 20[-: \d]* UTC; this process goes on with the rest"
    waits = rf"waiting for replicate 0, dense, round 0, which {ME} trains since 20[-: \d]* UTC"
    assert [bool(re.fullmatch(each, line)) for each, line in zip((said, waits), told.lines, strict=True)] == [True] * 2
    assert everything(run.root) == expected
    assert not list(run.root.rglob(".*")), "no lock is left"


def test_what_another_has_finished_meanwhile_is_not_trained_again(
    expected: dict[str, object], tmp_path: Path, polls: list[Callable[[], object]]
) -> None:
    run, told = RunLayout(tmp_path), Told()
    other, ticket = lottery(run.root, **SETTINGS), NetworkKey(0, "iterative", 1)
    other.make(DENSE)
    lock = FileLock(run.network(ticket).lock)
    assert lock.take()

    def finish() -> None:
        other.make(ticket)
        lock.release()

    polls.append(finish)
    rows = beside(lottery(run.root, **SETTINGS), told)
    assert len(rows) == 14
    assert told.skipped == ITERATIONS
    assert everything(run.root) == expected


def test_asked_to_stop_it_waits_no_longer(tmp_path: Path) -> None:
    run = RunLayout(tmp_path)
    with FileLock(run.network(DENSE).lock) as lock:
        assert lock.take()
        with pytest.raises(Interrupted):
            beside(lottery(run.root, replicates=1), Told(), stop=lambda: True)


def test_what_nobody_trains_and_is_no_part_of_the_command_is_left(
    tmp_path: Path, polls: list[Callable[[], object]]
) -> None:
    """While other processes are at work, which may be starting, it looks again for a while."""
    run = RunLayout(tmp_path)
    drawn = lottery(run.root, **SETTINGS, only=Only(replicates=0, methods="one_shot", rounds=2))
    left = (
        "^not trained: replicate 0, one_shot, round 2; they are made from replicate 0, iterative, round 2, not "
        "finished, trained by nobody, and no part of this command$"
    )
    with pytest.raises(RunError, match=left):
        beside(drawn, Told())
    with at_work(run):
        second = FileLock(run.processes / "node7.12")
        assert second.take()
        polls += [lambda: None] * turns.PATIENCE
        with pytest.raises(RunError, match=left):
            beside(drawn, Told())
        second.release()
    assert read_results(run.results) == []


def test_it_waits_for_what_is_no_part_of_the_command_as_long_as_that_is_trained(
    tmp_path: Path, polls: list[Callable[[], object]]
) -> None:
    """The network that is trained now is the first of those that it needs."""
    run, told = RunLayout(tmp_path), Told()
    whole = lottery(run.root, **SETTINGS)
    lock = FileLock(run.network(DENSE).lock)
    assert lock.take()

    def finish_chain() -> None:
        for key in (DENSE, NetworkKey(0, "iterative", 1), NetworkKey(0, "iterative", 2)):
            whole.make(key)
        lock.release()

    polls.append(finish_chain)
    (row,) = beside(lottery(run.root, **SETTINGS, only=Only(replicates=0, methods="one_shot", rounds=2)), told)
    assert (row.method, row.round) == ("one_shot", 2)
    assert [line.partition(",")[0] for line in told.lines] == ["waiting for replicate 0"]
    assert [row.method for row in read_results(run.results)] == ["dense", "iterative", "iterative", "one_shot"]


def test_results_have_the_rows_of_all_processes(tmp_path: Path) -> None:
    """Each writes those that are in the directory, and not only its own."""
    run = RunLayout(tmp_path)
    first, second = (lottery(run.root, **SETTINGS, only=Only(replicates=number)) for number in (0, 1))
    rows = [first.make(DENSE)]
    beside(second, Told())
    first.record(rows)
    assert {row.replicate for row in read_results(run.results)} == {0, 1}
    assert len(read_results(run.results)) == 8


def test_several_at_once_hold_all_or_none(tmp_path: Path) -> None:
    run, keys = RunLayout(tmp_path), [DENSE, NetworkKey(1, "dense", 0)]
    with all_held(run, keys):
        assert all(held_by(run.network(key).lock) for key in keys)
        said = rf"^replicate 1, dense, round 0 is trained by {ME} since .*name others with --pruning\.only$"
        with pytest.raises(UserError, match=said), all_held(run, [NetworkKey(2, "dense", 0), *keys[1:]]):
            pass
        assert held_by(run.network(NetworkKey(2, "dense", 0)).lock) is None
    assert not any(held_by(run.network(key).lock) for key in keys)


def test_traces_of_killed_processes_go_and_those_of_others_stay(tmp_path: Path) -> None:
    run = RunLayout(tmp_path)
    left = ".{}.17.trees-and-tickets.tmp".format
    trained, dead = run.network(NetworkKey(0, "iterative", 1)), run.network(NetworkKey(0, "iterative", 2))
    gone = [run.root / left("results.csv"), dead.root / left("last.ckpt"), run.replicate(1) / left("rewind.ckpt")]
    stay = [trained.root / left("last.ckpt"), run.report / left("report.html"), run.replicate(0) / left("rewind.ckpt")]
    stay.append(run.root / left("stack.ckpt"))
    for path in (*gone, *stay, run.processes / "node7.9"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with (
        FileLock(trained.lock) as first,
        FileLock(run.network(DENSE).lock) as second,
        FileLock(run.stack_lock) as third,
        FileLock(run.processes / "node8.9") as other,
    ):
        assert all(lock.take() for lock in (first, second, third, other))
        with shared_files(run):
            remove_traces(run)
        assert not any(path.exists() for path in (*gone, run.processes / "node7.9"))
        assert all(path.exists() for path in stay)
        assert len(processes(run)) == 1


def test_shared_files_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunLayout(tmp_path)
    other = FileLock(run.lock)
    assert other.take()
    monkeypatch.setattr("app.runs.at_work.time.sleep", lambda seconds: other.release())
    with shared_files(run):
        assert held_by(run.lock)
    monkeypatch.setattr("app.runs.at_work.SHARED_SECONDS", -1.0)
    other = FileLock(run.lock)
    assert other.take()
    with pytest.raises(UserError, match=rf"^{ME} has held {run.lock} since .*end that process$"), shared_files(run):
        pass
    other.release()
