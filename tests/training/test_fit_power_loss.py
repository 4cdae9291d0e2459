"""A training by `fit` whose machine loses power at any instant goes on to the bits that it would have had.

TREES_TICKETS_KILLS sets at how many instants, spread over all (2 unless said otherwise).
"""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.command import in_process
from helpers.power import Disk
from helpers.tiny_text import write_tiny_text

KILLS = int(os.environ.get("TREES_TICKETS_KILLS", "2"))
FIT = ("fit", "--config", "tiny.yaml", "--trainer.max_epochs", "2", "--checkpoint_seconds", "0.02")
pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the paths of open files: Linux")


def bits(run: Path) -> dict[str, Any]:
    """The table, and the weights of the end and of the best validation."""
    found: dict[str, Any] = {"metrics.csv": (run / "metrics.csv").read_text()}
    for name in ("last.ckpt", "best.ckpt"):
        state = torch.load(run / name, weights_only=True)["state_dict"]
        found |= {f"{name}/{key}": value.numpy().tobytes() for key, value in state.items()}
    return found


def test_what_was_on_the_disk_is_enough(tmp_path: Path) -> None:
    write_tiny_text(tmp_path)
    runs, left = tmp_path / "runs", []
    runs.mkdir()

    def lose(step: int) -> None:
        left.append(tmp_path / f"left_{step}")
        disk.leave(left[-1])

    disk = Disk(runs, tmp_path / "spare", lose)
    with disk.recording():
        done = in_process(*FIT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    expected = bits(runs / "tiny/seed_3")

    for step in range(len(left) - 1, 0, -max(1, len(left) // KILLS)):
        shutil.rmtree(runs)
        left[step].rename(runs)
        done = in_process(*FIT, cwd=tmp_path)
        where = f"after a loss of power at step {step + 1} of {disk.steps}"
        assert (done.returncode, done.stderr) == (0, ""), where
        found = bits(runs / "tiny/seed_3")
        assert [name for name in expected if expected[name] != found[name]] == [], where
