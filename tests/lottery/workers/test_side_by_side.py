"""A lottery of several processes, as a user runs it: the same bits as by one, whatever fails in them."""

import os
import re
from pathlib import Path

import pytest
from helpers import wandb_offline
from helpers.command import PATH, in_process
from helpers.workers import TINY, TWO, bits, different

from app.runs.layout import NetworkKey, RunLayout

TROUBLE = (
    *("--trainer.callbacks", "helpers.tiny_trouble.Trouble"),
    *("--trainer.callbacks.break_down", "replicate_0/iterative/round_01"),
    *("--trainer.callbacks.die", "replicate_1/iterative/round_02"),
)


def test_two_workers_write_the_bits_of_one_process(expected: dict[str, object], tmp_path: Path) -> None:
    done = in_process(*TINY, *TWO, cwd=tmp_path, COLUMNS="200")
    assert (done.returncode, done.stderr) == (0, "")
    assert not different(expected, bits(tmp_path / "runs/tiny"))
    lines = [line for line in done.stdout.splitlines() if " early stop at " in line]
    assert len(lines) == 14
    assert lines[-1].endswith("100 %")

    done = in_process(*TINY, "--pruning.workers", "3", cwd=tmp_path)  # there is nothing left to do
    assert (done.returncode, done.stderr) == (0, "")
    assert " early stop at " not in done.stdout


@pytest.mark.slow
def test_what_fails_takes_only_its_own_with_it(tmp_path: Path) -> None:
    ended = in_process(*TINY, *TROUBLE, *TWO, cwd=tmp_path, COLUMNS="200")
    assert ended.returncode == 1
    run = RunLayout(tmp_path / "runs/tiny")
    done = {(r, m, n) for r in range(2) for m, n in networks() if run.network(key_of(r, m, n)).done.exists()}
    lost = [("iterative", 2), ("one_shot", 2), ("random_reinit", 2)]  # made from what failed, and the latter itself
    assert done == {(0, "dense", 0), *((1, m, n) for m, n in networks() if (m, n) not in lost)}

    lines = [line for line in ended.stderr.splitlines() if line.startswith("failed: ")]
    said = [
        r"replicate 0, iterative, round 1: ZeroDivisionError: by zero$",
        r"replicate 1, iterative, round 2: its worker process was killed by SIGKILL \(out of memory\?\)$",
    ]
    for pattern in said:
        assert len([line for line in lines if re.match(f"failed: {pattern}", line)]) == 1, (pattern, ended.stderr)
    assert re.fullmatch(r"failed: 9 of 14 networks .*; the same command .*; finished .* kept", lines[-1])
    assert len(lines) == 3
    assert ended.stderr.count("Traceback") == 1, "an error that nobody expected is shown whole"
    assert len(re.findall(r"^replicate \d, .*: failed", ended.stdout, re.MULTILINE)) == 2
    assert "100 %" in ended.stdout


def networks() -> list[tuple[str, int]]:
    return [("dense", 0), *((m, n) for m in ("iterative", "one_shot", "random_reinit") for n in (1, 2))]


def key_of(replicate: int, method: str, round_: int) -> NetworkKey:
    return NetworkKey(replicate, method, round_, of="iterative" if method == "random_reinit" else "")


def test_a_worker_that_cannot_start_is_not_started_again(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'lottery-worker' in sys.orig_argv:\n    print('no room', flush=True)\n    os._exit(3)\n"
    )
    done = in_process(*TINY, *TWO, cwd=tmp_path, PYTHONPATH=os.pathsep.join([str(tmp_path), PATH]))
    assert done.returncode == 1
    failed = "failed: a worker process ended with exit code 3 (no room) at its start"
    assert done.stderr.splitlines()[:3] == ["no room", failed, failed]
    assert "failed: 14 of 14 networks are not there" in done.stderr


@pytest.mark.slow
def test_wandb_has_every_row_of_two_workers_once(tmp_path: Path) -> None:
    small = (*TINY, "--pruning.replicates", "1", "--trainer.max_steps", "20")
    done = in_process(*small, *TWO, cwd=tmp_path, WANDB_MODE="offline")
    assert done.returncode == 0, done.stderr
    wandb_offline.check_lottery(tmp_path / "runs/tiny")
