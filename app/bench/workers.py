"""A lottery by two workers against the same by one, as the command line runs it."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.bench.figures import Goal
from app.bench.lottery import THREADS
from app.bench.noise import Noise
from app.bench.rows import Comparison, Note, Row
from app.bench.sizes import Sizes
from app.bench.tasks import Section, Setting, Task
from app.common.errors import RunError
from app.lottery.workers.limits import cores

GOAL = Goal(1.7, at_least=True)
NETWORKS = 4  # a dense one and a ticket in each of two replicates
SECONDS_AROUND = 10.0  # to start the command and its workers


@dataclass(frozen=True)
class Lottery:
    """What one took.

    Args:
        whole: seconds of the whole command.
        trainings: seconds from the beginning of the first training to the end of the last.
    """

    whole: float
    trainings: float


def lottery(workers: int, sizes: Sizes) -> Lottery:
    """Draw tickets of LeNets in processes of their own, somewhere that is gone afterwards.

    Args:
        workers: how many train side by side.
        sizes: of a training.

    Raises:
        RunError: it went wrong.
    """
    options = {
        "experiment": "bench",
        "threads": THREADS,
        "model": "app.modules.Classifier",
        "model.net": "app.nets.LeNet",
        "model.optimizer": "torch.optim.Adam",
        "model.optimizer.fused": "true",
        "data": f"{Noise.__module__}.{Noise.__name__}",
        "trainer.max_steps": sizes.worker_iterations,
        "trainer.val_check_interval": sizes.eval_every,
        "trainer.accelerator": "cpu",
        "trainer.logger": "false",
        "pruning.rounds": 1,
        "pruning.replicates": 2,
        "pruning.workers": workers,
    }
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as runs:
        command = [sys.executable, "-m", "app", "lottery", "--runs", runs]
        command += [f"--{name}={value}" for name, value in options.items()]
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        whole = time.perf_counter() - began
        if done.returncode:
            raise RunError(f"a lottery by {workers} workers: {done.stderr.strip().splitlines()[-1]}")
        spans = [_span(path) for path in Path(runs).rglob("report.json")]
    return Lottery(whole, max(end for _, end in spans) - min(begin for begin, _ in spans))


def _span(report: Path) -> tuple[float, float]:
    """When a training began and when it was written down, by the clock of the files."""
    end = report.stat().st_mtime
    return end - json.loads(report.read_text())["result"]["seconds"], end


def tasks(setting: Setting) -> list[Task]:
    """Both in turns; one line where there is a single core."""
    sizes = setting.sizes
    seconds = sizes.worker_pairs * (2 * SECONDS_AROUND + 1.5 * NETWORKS * sizes.worker_iterations / 300)
    return [Task("workers", seconds, partial(_measure, setting))]


SECTION = Section("workers", "Lottery: LeNets side by side, two workers of one thread against one", tasks)


def _measure(setting: Setting) -> Sequence[Row]:
    if cores() < 2:
        return [Note("two workers need two cores, and there is one")]
    sizes, found = setting.sizes, []
    for _ in range(sizes.worker_pairs):
        found.append((lottery(2, sizes), lottery(1, sizes)))
        setting.tick()
    count = NETWORKS * sizes.worker_iterations
    return [
        Comparison(
            what=f"from first to last, {count:,} it",
            ours=[two.trainings for two, _ in found],
            reference=[one.trainings for _, one in found],
            goal=GOAL,
            count=count,
            unit="it/s",
        ),
        Comparison(
            what="whole command, with its start",
            ours=[two.whole for two, _ in found],
            reference=[one.whole for _, one in found],
        ),
    ]
