"""`python -m app status` of a lottery: who trains what, where, since when."""

import os
import re
import socket
from pathlib import Path

import pytest
from helpers.command import in_process
from helpers.workers import TINY

from app.runs.at_work import at_work
from app.runs.layout import NetworkKey, RunLayout
from app.runs.lock import FileLock
from app.runs.owner import Owner


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lottery of which one network is finished."""
    directory = tmp_path_factory.mktemp("begun")
    done = in_process(*TINY, "--pruning.only", "{replicates: 0, rounds: 0}", cwd=directory)
    assert done.returncode == 0, done.stderr
    return directory


def status(directory: Path) -> list[str]:
    view = in_process("status", "runs/tiny", cwd=directory)
    assert (view.returncode, view.stderr) == (0, "")
    return [re.sub(" +", " ", line).strip() for line in view.stdout.splitlines()]


def test_nobody_is_at_work(begun: Path) -> None:
    first, *lines = status(begun)
    assert first == "runs/tiny: no process is at work"
    assert "│ 0 │ dense │ 1/1 │ 0 │ │" in lines
    assert "│ 1 │ random_reinit 0 │ 0/2 │ 2 │ │" in lines


def test_each_network_in_training_has_a_line_with_its_process(begun: Path) -> None:
    run = RunLayout(begun / "runs/tiny")
    ticket, dense = run.network(NetworkKey(0, "iterative", 1)), run.network(NetworkKey(1, "dense", 0))
    with (
        at_work(run),
        FileLock(run.processes / "node7.12") as other,
        FileLock(ticket.lock) as one,
        FileLock(dense.lock) as two,
    ):
        assert all(lock.take() for lock in (other, one, two))
        dense.lock.write_text(Owner(12, "node7", "2026-11-27T18:05:12Z", "45_2").line)
        ticket.metrics.write_text("iteration,val_loss\n1200,0.5\n")
        first, *lines = status(begun)
        ticket.metrics.unlink()
    assert first == "runs/tiny: 2 processes are at work"
    assert "│ 0 │ iterative │ 0/2 │ 1 │ round 1, iteration 1,200 (running) │" in lines
    assert "│ 1 │ dense │ 0/1 │ 0 │ round 0, beginning (running) │" in lines
    me = rf"replicate 0, iterative, round 1: process {os.getpid()} on {socket.gethostname()} since 20[-: \d]+ UTC"
    assert re.fullmatch(me, lines[-2])
    assert lines[-1] == "replicate 1, dense, round 0: process 12 on node7 (job 45_2) since 2026-11-27 18:05:12 UTC"
