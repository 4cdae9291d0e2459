"""A lottery of several processes, as a user runs it: the same bits as by one, whatever happens to them.

TREES_TICKETS_KILLS sets how often it is killed at a random instant (2 unless said otherwise).
"""

import os
import random
import re
import signal
import time
from pathlib import Path

import pytest
from helpers import wandb_offline
from helpers.command import PATH, app, in_process, start
from helpers.workers import TINY, TWO, bits, different, end, wait_until_free

from app.runs.layout import NetworkKey, RunLayout
from app.runs.lock import is_locked

KILLS = int(os.environ.get("TREES_TICKETS_KILLS", "2"))
TROUBLE = (
    *("--trainer.callbacks", "helpers.tiny_trouble.Trouble"),
    *("--trainer.callbacks.diverge", "replicate_0/iterative/round_01"),
    *("--trainer.callbacks.die", "replicate_1/iterative/round_02"),
    *("--trainer.callbacks.fill", "replicate_2/one_shot/round_01"),
    *("--trainer.callbacks.break_down", "replicate_2/iterative/round_02/random_reinit_0"),
)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What one process makes of it."""
    directory = tmp_path_factory.mktemp("one")
    done = in_process(*TINY, cwd=directory)
    assert done.returncode == 0, done.stderr
    found = bits(directory / "runs/tiny")
    assert len(found["results.csv"]) == 2 * 7
    return found


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
    deadline = time.monotonic() + 100
    while not all(path.exists() and path.read_text().count("\n") > 2 for path in metrics):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (os.killpg if to_all else os.kill)(process.pid, number)
    returncode, _, stderr = end(process)
    assert returncode == code
    assert says in stderr
    assert "Traceback" not in stderr
    assert len(list(run.root.rglob("last.ckpt"))) == 2, "each worker saves what it trains"
    wait_until_free(run)
    assert not list(run.root.rglob(".*.tmp"))


def test_killed_at_random_instants(expected: dict[str, object], tmp_path: Path) -> None:
    rng, run, kills = random.Random(20260201), RunLayout(tmp_path / "runs/tiny"), 0
    for kill in range(KILLS):
        process = start(*TINY, *TWO, cwd=tmp_path, group=True)
        while process.poll() is None and not list(run.root.rglob("last.ckpt")):
            time.sleep(0.005)
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
