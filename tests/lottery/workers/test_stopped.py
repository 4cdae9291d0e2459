"""A lottery of several processes that is stopped or killed, and goes on to the bits that one process writes.

TREES_TICKETS_KILLS sets how often it is killed at a random instant (1 unless said otherwise).
"""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers.command import in_process, start
from helpers.waiting import wait_until
from helpers.workers import TINY, TWO, bits, different, wait_until_free

from app.runs.layout import NetworkKey, RunLayout
from app.runs.lock import held_by

KILLS = int(os.environ.get("TREES_TICKETS_KILLS", "1"))


def test_asked_to_stop_all_save_and_end(tmp_path: Path) -> None:
    """Ctrl-C in a terminal and the signals of a scheduler reach the workers too, which leave them to this process."""
    long = (*TINY, "--trainer.max_steps", "1000000", "--checkpoint_seconds", "1000")
    run = RunLayout(tmp_path / "runs/tiny")
    metrics = [run.network(NetworkKey(replicate, "dense", 0)).metrics for replicate in (0, 1)]
    workers: list[int] = []

    def both_train() -> bool:
        return all(path.exists() and path.read_text().count("\n") > 2 for path in metrics)

    def send_to_all() -> None:
        workers.extend(workers_of(os.getpid()))
        for worker in workers:
            for number in (signal.SIGINT, signal.SIGTERM):
                os.kill(worker, number)
        os.kill(os.getpid(), signal.SIGINT)

    with doing(send_to_all, when=both_train):
        stopped = in_process(*long, *TWO, cwd=tmp_path)
    assert len(workers) == (2 if sys.platform == "linux" else 0)
    assert stopped.returncode == 130
    assert "stopped; the same" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert len(list(run.root.rglob("last.ckpt"))) == 2, "each worker saves what it trains"
    wait_until_free(run)
    assert not list(run.root.rglob(".*.tmp"))


@contextmanager
def doing(act: Callable[[], None], *, when: Callable[[], bool]) -> Iterator[None]:
    """Do something in another thread as soon as a condition holds, unless the context is left before."""
    over = threading.Event()

    def wait_and_act() -> None:
        wait_until(lambda: over.is_set() or when())
        if not over.is_set():
            act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def workers_of(process: int) -> list[int]:
    """The workers that a process has started; none where the system does not tell (Linux does)."""
    children = " ".join(path.read_text() for path in Path(f"/proc/{process}/task").glob("*/children"))
    return [int(pid) for pid in children.split() if b"lottery-worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.slow
def test_killed_at_random_instants(expected: dict[str, object], tmp_path: Path) -> None:
    rng, run, kills = random.Random(20260201), RunLayout(tmp_path / "runs/tiny"), 0
    for kill in range(KILLS):
        process = start(*TINY, *TWO, cwd=tmp_path, group=True)
        wait_until(lambda: list(run.root.rglob("last.ckpt")), process)
        time.sleep(rng.uniform(0, 0.5))
        if process.poll() is not None:
            break  # everything is done
        asleep = workers_of(process.pid) if kill == 0 else []
        for worker in asleep:
            os.kill(worker, signal.SIGSTOP)
        os.kill(process.pid, signal.SIGKILL)  # and nobody tells the workers
        process.wait()
        if asleep:
            time.sleep(0.5)
            held = [path for path in run.root.rglob(".lock") if held_by(path)]
            assert held, "a worker that is still there must keep others from what it trains"
        for worker in asleep:
            os.kill(worker, signal.SIGCONT)
        wait_until_free(run)
        process.communicate()
        kills += 1
    assert kills, "it was done before the first kill, so this has tested nothing"
    done = in_process(*TINY, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not different(expected, bits(run.root))
