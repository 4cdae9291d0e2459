"""A lottery with two workers against the same lottery with one, run from the command line."""

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
from app.bench.rows import BenchRow, Comparison, Note
from app.bench.sizes import Sizes
from app.bench.tasks import BenchSection, Setting, Task
from app.common.errors import RunError
from app.lottery.workers.limits import cores

GOAL = Goal(1.7, at_least=True)
NETWORKS = 4  # a dense network and a ticket in each of two replicates
SECONDS_AROUND = 10.0  # to start the command and its workers


@dataclass(frozen=True)
class LotterySeconds:
    """How long a lottery took.

    Args:
        whole: seconds of the whole command.
        trainings: seconds from the start of the first training to the end of the last.
    """

    whole: float
    trainings: float


def run_lottery(workers: int, sizes: Sizes) -> LotterySeconds:
    """Run a lottery of LeNets with separate processes in a temporary directory.

    Args:
        workers: number of networks that are trained at the same time.
        sizes: length of a training.

    Raises:
        RunError: the command failed.
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
        "trainer.check_val_every_n_epoch": "null",
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
    return LotterySeconds(whole, max(end for _, end in spans) - min(begin for begin, _ in spans))


def _span(report: Path) -> tuple[float, float]:
    """Start and end of a training, by the modification time of its report."""
    end = report.stat().st_mtime
    return end - json.loads(report.read_text())["result"]["seconds"], end


def tasks(setting: Setting) -> list[Task]:
    """Both lotteries in turns; a note instead on a machine with a single core."""
    sizes = setting.sizes
    seconds = sizes.worker_pairs * (2 * SECONDS_AROUND + 1.5 * NETWORKS * sizes.worker_iterations / 300)
    return [Task("workers", seconds, partial(_measure, setting))]


SECTION = BenchSection("workers", "Lottery: LeNets side by side, two workers of one thread against one", tasks)


def _measure(setting: Setting) -> Sequence[BenchRow]:
    if cores() < 2:
        return [Note("two workers need two cores, and there is one")]
    sizes, found = setting.sizes, []
    for _ in range(sizes.worker_pairs):
        found.append((run_lottery(2, sizes), run_lottery(1, sizes)))
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
