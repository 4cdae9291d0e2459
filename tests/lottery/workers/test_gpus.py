"""Each worker has a GPU of its own."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

from app.common.errors import UserError
from app.lottery import experiment as module
from app.lottery.experiment import Experiment
from app.lottery.settings import Pruning
from app.lottery.workers import limits
from app.lottery.workers.gpus import visible_gpus, worker_gpus
from app.lottery.workers.limits import check_workers
from app.runs.layout import RunLayout


@pytest.mark.parametrize(
    ("variable", "count", "gpus"),
    [
        (None, 4, ["0", "1", "2", "3"]),
        ("2,0", 2, ["2", "0"]),
        ("GPU-8f2a, MIG-77", 2, ["GPU-8f2a", "MIG-77"]),
        ("1,9", 1, ["1"]),  # there is no GPU 9, and CUDA sees those before it
        ("", 0, []),
    ],
)
def test_those_that_this_process_sees(variable: str | None, count: int, gpus: list[str]) -> None:
    environment = {} if variable is None else {"CUDA_VISIBLE_DEVICES": variable}
    assert visible_gpus(environment, lambda: count) == gpus


def test_no_two_workers_have_one_as_long_as_there_are_enough() -> None:
    four = {"CUDA_VISIBLE_DEVICES": "4,5,6,7"}
    assert worker_gpus(3, environment=four, count=lambda: 4, oversubscribe=False) == ["4", "5", "6"]
    with pytest.raises(UserError, match=r"^pruning.workers is 5, and there are 4 GPUs; ask for fewer"):
        worker_gpus(5, environment=four, count=lambda: 4, oversubscribe=False)
    with pytest.raises(UserError, match=r"there is 1 GPU;"):
        worker_gpus(2, environment={}, count=lambda: 1, oversubscribe=False)
    gpus = worker_gpus(5, environment=four, count=lambda: 4)
    assert [gpus[number % len(gpus)] for number in range(5)] == ["4", "5", "6", "7", "4"]


def test_a_worker_is_started_with_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[dict[str, str]] = []
    monkeypatch.setattr(module, "Worker", lambda config, environment: started.append(environment))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    nothing: Any = None
    options = {"model": nothing, "data": nothing, "iterations": 1, "rewind_iteration": 0, "seed": 0, "threads": 1}
    options |= {"make_trainer": nothing, "make_loggers": nothing, "checkpoint_seconds": 1.0, "config": {}}
    for on_gpus in (True, False):
        drawn = Experiment(settings=Pruning(workers=3), layout=RunLayout(tmp_path), on_gpus=on_gpus, **options)
        for number in range(3):
            drawn._start_worker(number)
    assert started[3:] == [{}, {}, {}]
    assert [each["CUDA_VISIBLE_DEVICES"] for each in started[:3]] == ["5", "7", "5"]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5,7"


def test_more_workers_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(accelerator="cpu", devices=1, logger=False, enable_progress_bar=False)
    monkeypatch.setattr(limits, "on_gpus", lambda trainer: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(limits, "cores", lambda: 8)
    with pytest.raises(UserError, match=r"^pruning.workers is 2, and there is 1 GPU"):
        check_workers(Pruning(workers=2), trainer, 1)
    check_workers(Pruning(workers=2, oversubscribe=True), trainer, 1)
