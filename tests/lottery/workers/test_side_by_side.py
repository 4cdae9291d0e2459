"""A lottery of several processes, as a user runs it: the same bits as by one, whatever fails in them."""

import os
import re
from pathlib import Path

from helpers import wandb_offline
from helpers.command import PATH, app, in_process
from helpers.workers import TINY, TWO, bits, different

from app.runs.layout import NetworkKey, RunLayout

TROUBLE = (
    *("--trainer.callbacks", "helpers.tiny_trouble.Trouble"),
    *("--trainer.callbacks.diverge", "replicate_0/iterative/round_01"),
    *("--trainer.callbacks.die", "replicate_1/iterative/round_02"),
    *("--trainer.callbacks.fill", "replicate_2/one_shot/round_01"),
    *("--trainer.callbacks.break_down", "replicate_2/iterative/round_02/random_reinit_0"),
)


def test_two_workers_write_the_bits_of_one_process(expected: dict[str, object], tmp_path: Path) -> None:
    done = app(*TINY, *TWO, cwd=tmp_path, COLUMNS="200")
    assert (done.returncode, done.stderr) == (0, "")
    assert not different(expected, bits(tmp_path / "runs/tiny"))
    lines = [line for line in done.stdout.splitlines() if " early stop at " in line]
    assert len(lines) == 14
    assert lines[-1].endswith("100 %")

    done = in_process(*TINY, "--pruning.workers", "3", cwd=tmp_path)  # there is nothing left to do
    assert (done.returncode, done.stderr) == (0, "")
    assert " early stop at " not in done.stdout


def test_what_fails_takes_only_its_own_with_it(tmp_path: Path) -> None:
    command = (*TINY, "--pruning.replicates", "3", *TROUBLE)
    ended = in_process(*command, *TWO, cwd=tmp_path, COLUMNS="200")
    assert ended.returncode == 1
    stdout, stderr = ended.stdout, ended.stderr
    run = RunLayout(tmp_path / "runs/tiny")
    done = {(r, m, n) for r in range(3) for m, n in networks() if run.network(key_of(r, m, n)).done.exists()}
    failed = [(0, "iterative", 1), (1, "iterative", 2), (2, "one_shot", 1), (2, "random_reinit", 2)]
    lost = [(0, m, n) for m, n in networks() if m != "dense"] + [(1, "one_shot", 2), (1, "random_reinit", 2)]
    assert done == {(r, m, n) for r in range(3) for m, n in networks()} - {*failed, *lost}

    lines = [line for line in stderr.splitlines() if line.startswith("failed: ")]
    said = [
        r"replicate 0, iterative, round 1: loss is nan at iteration 3: the training diverged; try a lower learning",
        r"replicate 1, iterative, round 2: its worker process was killed by SIGKILL \(out of memory\?\)$",
        r"replicate 2, one_shot, round 1: the disk is full at somewhere; free some space, and the same command goes on",
        r"replicate 2, random_reinit 0, round 2: ZeroDivisionError: by zero$",
    ]
    for pattern in said:
        assert len([line for line in lines if re.match(f"failed: {pattern}", line)]) == 1, (pattern, stderr)
    assert re.fullmatch(r"failed: 11 of 21 networks .*; the same command .*; finished .* kept", lines[-1])
    assert len(lines) == 5
    assert stderr.count("Traceback") == 1, "an error that nobody expected is shown whole, and no other"
    assert len(re.findall(r"^replicate \d, .*: failed", stdout, re.MULTILINE)) == 4
    assert "100 %" in stdout


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


def test_wandb_gets_what_one_process_gives_it(tmp_path: Path) -> None:
    logged = {}
    small = (*TINY, "--pruning.replicates", "1", "--pruning.methods", "[iterative]", "--trainer.max_steps", "20")
    for name, workers in (("one", ()), ("two", TWO)):
        done = app(*small, *workers, "--runs", name, cwd=tmp_path, WANDB_MODE="offline")
        assert done.returncode == 0, done.stderr
        rows = logged[name] = {}
        for path in wandb_offline.files(tmp_path / name / "tiny"):
            (run,) = [record.run for record in wandb_offline.records(path) if record.HasField("run")]
            history = [{k: v for k, v in row.items() if k[0] != "_"} for row in wandb_offline.history(path)]
            rows.setdefault((run.display_name, run.run_id), []).extend(history)
    assert len(logged["one"]) == 3
    assert logged["one"] == logged["two"]
