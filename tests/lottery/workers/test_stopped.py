"""A lottery of several processes that is stopped or killed, and goes on to the bits that one process writes.

TREES_TICKETS_KILLS sets how often it is killed at a random instant (1 unless said otherwise).
"""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from helpers.command import in_process, start
from helpers.waiting import wait_until
from helpers.workers import TINY, TWO, bits, different, end, wait_until_free

from app.runs.layout import NetworkKey, RunLayout
from app.runs.lock import is_locked

KILLS = int(os.environ.get("TREES_TICKETS_KILLS", "1"))


@pytest.mark.parametrize(
    ("number", "to_all", "code", "says"),
    [(signal.SIGINT, True, 130, "stopped; the same"), (signal.SIGTERM, False, 143, "terminated; the same command")],
    ids=["Ctrl-C to all", "SIGTERM to one"],
)
def test_asked_to_stop_all_save_and_end(
    number: signal.Signals, to_all: bool, code: int, says: str, tmp_path: Path
) -> None:
    long = (*TINY, "--trainer.max_steps", "1000000", "--checkpoint_seconds", "1000")
    process = start(*long, *TWO, cwd=tmp_path, group=True)
    run = RunLayout(tmp_path / "runs/tiny")
    metrics = [run.network(NetworkKey(replicate, "dense", 0)).metrics for replicate in (0, 1)]
    wait_until(lambda: all(path.exists() and path.read_text().count("\n") > 2 for path in metrics), process)
    (os.killpg if to_all else os.kill)(process.pid, number)
    returncode, _, stderr = end(process)
    assert returncode == code
    assert says in stderr
    assert "Traceback" not in stderr
    assert len(list(run.root.rglob("last.ckpt"))) == 2, "each worker saves what it trains"
    wait_until_free(run)
    assert not list(run.root.rglob(".*.tmp"))


@pytest.mark.slow
def test_killed_at_random_instants(expected: dict[str, object], tmp_path: Path) -> None:
    rng, run, kills = random.Random(20260201), RunLayout(tmp_path / "runs/tiny"), 0
    for kill in range(KILLS):
        process = start(*TINY, *TWO, cwd=tmp_path, group=True)
        wait_until(lambda: list(run.root.rglob("last.ckpt")), process)
        time.sleep(rng.uniform(0, 0.5))
        if process.poll() is not None:
            break  # everything is done
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        asleep = [int(pid) for pid in children.read_text().split()] if kill == 0 and children.exists() else []
        for worker in asleep:
            os.kill(worker, signal.SIGSTOP)
        os.kill(process.pid, signal.SIGKILL)  # and nobody tells the workers
        process.wait()
        if asleep:
            time.sleep(0.5)
            assert is_locked(run), "a worker that is still there must keep others out"
        for worker in asleep:
            os.kill(worker, signal.SIGCONT)
        wait_until_free(run)
        process.communicate()
        kills += 1
    assert kills, "it was done before the first kill, so this has tested nothing"
    done = in_process(*TINY, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not different(expected, bits(run.root))
