"""What the loggers of a lottery do where several processes share its run directory."""

from pathlib import Path
from typing import Any

import pytest
import wandb
from helpers import wandb_offline
from helpers.tiny_lottery import ITERATIONS, lottery

from app.runs.at_work import at_work
from app.runs.layout import NetworkKey
from app.runs.lock import FileLock
from app.training.rounds_wandb_logger import RoundsWandbLogger

DENSE = NetworkKey(0, "dense", 0)


def test_files_of_wandb_are_mended_only_where_no_other_process_may_be_writing_them(tmp_path: Path) -> None:
    told: list[bool] = []

    class Told(RoundsWandbLogger):
        def begin_run(self, **options: Any) -> None:
            told.append(options["alone"])

    loggers = lottery(tmp_path, make_loggers=lambda: [Told()]).train.loggers
    with at_work(loggers.layout), FileLock(loggers.layout.processes / "elsewhere.1") as other:
        for there in (False, True):
            assert not there or other.take()
            loggers.begin(DENSE, 1.0)
            loggers.finish()
    assert told == [True, False]


def test_a_run_is_closed_with_every_network_where_another_process_may_go_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W&B writes its file when a run is closed: who goes on with an open one would log its rows again."""
    monkeypatch.delenv("WANDB_MODE", raising=False)
    made: list[RoundsWandbLogger] = []

    def make() -> list[RoundsWandbLogger]:
        made.append(RoundsWandbLogger())
        return [made[-1]]

    drawn = lottery(tmp_path, make_loggers=make)
    try:
        with at_work(drawn.layout), FileLock(drawn.layout.processes / "elsewhere.1") as other:
            drawn.make(DENSE)
            assert made[-1].is_recording, "where nobody else is at work, it stays open for the next round"
            assert other.take()
            drawn.make(NetworkKey(0, "iterative", 1))
            assert not made[-1].is_recording
            histories = [wandb_offline.history(file) for file in wandb_offline.files(tmp_path)]
            steps = [row["trainer/global_step"] for rows in histories for row in rows if "trainer/global_step" in row]
            assert max(steps) == 2 * (ITERATIONS + 2) - 1, "the last row of round 1 is in the file"
    finally:
        drawn.train.loggers.finish()
        wandb.teardown()
