"""What the loggers of a lottery are told where several processes share its run directory."""

from pathlib import Path
from typing import Any

from helpers.tiny_lottery import lottery

from app.runs.at_work import at_work
from app.runs.layout import NetworkKey
from app.runs.lock import FileLock
from app.training.rounds_wandb_logger import RoundsWandbLogger


def test_files_of_wandb_are_mended_only_where_no_other_process_may_be_writing_them(tmp_path: Path) -> None:
    told: list[bool] = []

    class Told(RoundsWandbLogger):
        def begin_run(self, **options: Any) -> None:
            told.append(options["alone"])

    loggers = lottery(tmp_path, make_loggers=lambda: [Told()]).train.loggers
    with at_work(loggers.layout), FileLock(loggers.layout.processes / "elsewhere.1") as other:
        for there in (False, True):
            assert not there or other.take()
            loggers.begin(NetworkKey(0, "dense", 0), 1.0)
            loggers.finish()
    assert told == [True, False]
