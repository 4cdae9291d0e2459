"""A run killed at any instant and run again ends with the bits that it would have had.

TREES_TICKETS_KILLS sets at how many random instants (1 unless said otherwise).
"""

import csv
import os
import random
import signal
import time
from functools import partial
from pathlib import Path

import pytest
from helpers.command import SMALL, in_process, needs_digits, start
from helpers.waiting import wait_until

pytestmark = needs_digits

KILLS = int(os.environ.get("TREES_TICKETS_KILLS", "1"))
# Saves after every iteration, so that nearly every kill leaves a checkpoint, and some hit the saving itself.
LOTTERY = ("lottery", *SMALL, "--checkpoint_seconds", "0.001", "--pruning.methods", "[iterative, one_shot]")


def bits(run: Path) -> dict[str, object]:
    """Everything that was promised to be the same: weights, masks, metrics.csv, and results.csv without seconds."""
    found: dict[str, object] = {
        str(path.relative_to(run)): path.read_bytes()
        for pattern in ("*.safetensors", "metrics.csv")
        for path in sorted(run.rglob(pattern))
    }
    with open(run / "results.csv") as file:
        found["results.csv"] = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    return found


def _is_there(directory: Path, name: str) -> bool:
    return any(directory.rglob(name))


@pytest.mark.slow
def test_killed_at_random_instants(tmp_path: Path) -> None:
    began = time.monotonic()
    uninterrupted = in_process(*LOTTERY, cwd=tmp_path)
    length = time.monotonic() - began
    assert uninterrupted.returncode == 0, uninterrupted.stderr
    expected = bits(tmp_path / "runs/quickstart")
    assert len(expected["results.csv"]) == 4

    rng, at, checkpoints = random.Random(20260101), [], 0
    for kill in range(KILLS):
        process = start(*LOTTERY, "--runs", "killed", cwd=tmp_path)
        # Every other one certainly within a training, and the rest anywhere behind the imports.
        name = "last.ckpt" if kill % 2 == 0 else "schema.json"
        wait_until(partial(_is_there, tmp_path / "killed", name), process)
        at.append(rng.uniform(0, 0.5 if kill % 2 == 0 else 0.9 * length))
        time.sleep(at[-1])
        process.send_signal(signal.SIGKILL)
        process.communicate()
        checkpoints += len(list((tmp_path / "killed").rglob("last.ckpt")))
    assert checkpoints, "no kill left a checkpoint to resume from, so this has tested nothing"
    resumed = in_process(*LOTTERY, "--runs", "killed", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    found = bits(tmp_path / "killed/quickstart")
    different = [name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)]
    assert not different, f"after kills at {at} s of {length:.1f} s these differ: {different}"
    left = [path.name for pattern in ("last.ckpt", ".*.tmp") for path in (tmp_path / "killed").rglob(pattern)]
    assert not left
