"""Processes that share one run directory are killed at random instants, and the bits are those of one undisturbed.

TREES_TICKETS_KILLS sets how many kills there are at least as long as anything is left to train (6 unless said
otherwise), and TREES_TICKETS_LOCKS=files that the file system has no locks.
"""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from helpers.command import forked, in_process
from helpers.waiting import wait_until
from helpers.workers import TINY, bits, different

from app.runs import lock_file
from app.runs.layout import RunLayout
from app.runs.lock import held_by

KILLS = int(os.environ.get("TREES_TICKETS_KILLS", "6"))
LOCKS = os.environ.get("TREES_TICKETS_LOCKS", "")
JOBS = 3


def command(witness: Path, size: int) -> tuple[str, ...]:
    callback = (
        "--trainer.callbacks",
        "helpers.lone_training.LoneTraining",
        "--trainer.callbacks.directory",
        str(witness),
    )
    return (
        *TINY,
        *callback,
        "--pruning.replicates",
        str(size),
        "--pruning.rounds",
        "3",
        "--pruning.random_reinit",
        "2",
    )


def trained_by(run: RunLayout) -> set[int]:
    """The processes that train a network now."""
    owners = [held_by(path) for path in run.root.rglob("round_*/**/.lock")]
    return {owner.process for owner in owners if owner is not None}


def has_ended(job: int) -> bool:
    return os.waitid(os.P_PID, job, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="copies of a process: not on Windows")
def test_killed_at_random_instants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 1 + KILLS // 40
    arguments = command(tmp_path / "witness", size)
    done = in_process(*arguments, "--runs", "undisturbed", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    expected = bits(tmp_path / "undisturbed/tiny")

    if LOCKS == "files":
        monkeypatch.setattr(lock_file, "locks_are_shared", lambda directory: False)
    rng, run, log = random.Random(20260301), RunLayout(tmp_path / "runs/tiny"), tmp_path / "log"
    jobs: set[int] = set()
    kills, in_training, ended = 0, 0, []
    while kills < KILLS:
        jobs.update(forked(*arguments, cwd=tmp_path, log=log) for _ in range(JOBS - len(jobs)))
        if rng.random() < 0.8:  # somewhere in a training, and otherwise anywhere, mostly in the start
            wait_until(lambda: trained_by(run) or any(has_ended(job) for job in jobs))
        time.sleep(rng.uniform(0, 0.6))
        for job in list(jobs):
            found, status = os.waitpid(job, os.WNOHANG)
            if found:
                jobs.remove(job)
                ended.append(os.waitstatus_to_exitcode(status))
        if ended:
            break  # all is trained, or something is wrong
        training = trained_by(run) & jobs
        victim = rng.choice(sorted(training or jobs))
        in_training += bool(training)
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
        jobs.remove(victim)
        kills += 1
    ended += [os.waitstatus_to_exitcode(os.waitpid(job, 0)[1]) for job in jobs]
    print(f"{kills} kills of {JOBS} jobs, {in_training} of them in a training; those that ended: {ended}")
    assert in_training, "no kill came in a training, so this has tested nothing"
    assert not any(ended), log.read_text()[-3000:]
    last = in_process(*arguments, cwd=tmp_path)
    assert (last.returncode, last.stderr) == (0, "")
    assert not (tmp_path / "witness/twice").exists(), (tmp_path / "witness/twice").read_text()
    assert not different(expected, bits(run.root))
    assert not list(run.root.rglob(".*")), "locks or halves of files are left"
