"""Reads W&B's offline files back with W&B's own reader, `wandb leet inspect`."""

import json
import subprocess
from pathlib import Path
from typing import Any

from wandb.util import get_core_path


def records(path: Path) -> list[dict[str, Any]]:
    """The records of a run-ID.wandb file, in order; each has its kind as `type`, and its content under that name."""
    printed = _inspect(path, "--json")
    return [json.loads(line) for line in printed.splitlines()]


def history(path: Path) -> list[dict[str, Any]]:
    """Every row logged to the file, in order: metric name to value."""
    return [record["history"]["item"] for record in records(path) if record["type"] == "history"]


def run(path: Path) -> dict[str, Any]:
    """What the file says of the run as a whole: its summary, tags, notes, ..."""
    (started,) = [record["run"] for record in records(path) if record["type"] == "run"]
    return {**json.loads(_inspect(path, "--json", "--summary")), **started}


def files(directory: Path) -> list[Path]:
    """The run-ID.wandb files below `directory`, in the order in which the runs were started."""
    return sorted(directory.glob("wandb/offline-run-*/run-*.wandb"))


def _inspect(path: Path, *options: str) -> str:
    command = [get_core_path(), "leet", "inspect", "--no-observability", *options, "--run-file", str(path)]
    return subprocess.run([*command, str(path.parents[1])], check=True, capture_output=True, text=True).stdout
