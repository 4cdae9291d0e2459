"""Lotteries in separate processes."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.command import in_process

from app.bench import workers
from app.bench.rows import Comparison, Note
from app.bench.sizes import QUICK
from app.bench.tasks import Setting
from app.common.errors import RunError

TINY = replace(QUICK, worker_iterations=2, eval_every=1, worker_pairs=3)


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in this process; workers are processes still."""

    def command(words: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        assert words[:3] == [sys.executable, "-m", "app"]
        return in_process(*words[3:], cwd=tmp_path)

    monkeypatch.setattr(workers.subprocess, "run", command)


@pytest.mark.slow
@pytest.mark.usefixtures("_here")
def test_a_lottery_by_two_workers_takes_its_time() -> None:
    took = workers.run_lottery(2, TINY)
    assert 0 < took.trainings < took.whole


@pytest.mark.usefixtures("_here")
def test_a_lottery_that_goes_wrong_is_one_line() -> None:
    with pytest.raises(RunError, match=r"a lottery by 1 workers: .*trainer\.max_steps"):
        workers.run_lottery(1, replace(TINY, worker_iterations=0))


def test_the_ratio_is_that_of_speeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 2)
    took = {1: workers.LotterySeconds(30, 18), 2: workers.LotterySeconds(20, 10)}
    monkeypatch.setattr(workers, "run_lottery", lambda n, sizes: took[n])
    (task,) = workers.tasks(Setting(sizes=TINY))
    trainings, whole = task.run()
    assert isinstance(trainings, Comparison)
    assert isinstance(whole, Comparison)
    assert trainings.ratio is not None
    assert whole.ratio is not None
    assert trainings.ratio.median == pytest.approx(1.8)
    assert trainings.cells()[-1] == "yes"
    assert whole.ratio.median == pytest.approx(2 / 3)
    assert len(whole.ours) == 3


def test_a_single_core_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 1)
    (task,) = workers.tasks(Setting(sizes=TINY))
    assert isinstance(task.run()[0], Note)
