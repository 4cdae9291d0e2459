"""Marks of tests that need what not every machine has; the markers are registered in pyproject.toml."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., object])
DATA = Path(os.environ.get("TREES_TICKETS_DATA", "nowhere"))


def _slurm_answers() -> bool:
    if shutil.which("sbatch") is None:
        return False
    # Where its configuration is missing, every command fails.
    return subprocess.run(["sinfo", "--noheader"], capture_output=True, check=False, timeout=60).returncode == 0


def needs_slurm(test: Test) -> Test:
    """Mark a test `slurm`, and skip it where jobs cannot be submitted."""
    marked: Test = pytest.mark.slurm(pytest.mark.skipif(not _slurm_answers(), reason="needs SLURM")(test))
    return marked


def needs_data(*places: str) -> Callable[[Test], Test]:
    """Mark a test `data`, and skip it unless TREES_TICKETS_DATA names a folder with one of these folders or files."""
    there = any((DATA / place).exists() for place in places)
    skipped = pytest.mark.skipif(not there, reason=f"needs {places[0]} in the folder TREES_TICKETS_DATA")
    return lambda test: pytest.mark.data(skipped(test))
