"""Reads W&B's offline files back with W&B's own reader, `wandb leet inspect`."""

import json
import math
import subprocess
from pathlib import Path
from typing import Any

from wandb.util import get_core_path

from app.runs.layout import NetworkKey, RunLayout
from app.runs.table import read_metrics


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


def check_lottery(root: Path) -> None:
    """Check that the files of a lottery hold every row of its finished networks once, in order, whoever has logged it.

    Args:
        root: the run directory.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    for path in files(root):
        rows.setdefault(run(path)["display_name"], []).extend(history(path))
    of_run: dict[str, list[NetworkKey]] = {}
    for key in sorted(RunLayout(root).networks(), key=lambda key: key.round):
        branch = f"/{key.branch}" if key.of else ""
        of_run.setdefault(f"replicate_{key.replicate}/{key.method}{branch}", []).append(key)
    assert rows.keys() == of_run.keys()
    for name, keys in of_run.items():
        metrics = [(key.round, read_metrics(RunLayout(root).network(key).metrics)) for key in keys]
        expected = [(round_, row["iteration"], row["val_loss"]) for round_, table in metrics for row in table]
        found = [(row["round"], row["iteration"], row["val_loss"]) for row in rows[name] if "val_loss" in row]
        assert [each[:2] for each in found] == [each[:2] for each in expected], name
        assert all(math.isclose(one[2], other[2], rel_tol=1e-6) for one, other in zip(found, expected, strict=True))
        summaries = [row["round/round"] for row in rows[name] if "round/round" in row]
        assert summaries == list(dict.fromkeys([0, *(key.round for key in keys)])), name
        steps = [row["trainer/global_step"] for row in rows[name] if "trainer/global_step" in row]
        assert steps == sorted(steps), name


def tickets(root: Path) -> list[tuple[str, int]]:
    """Name and round of every ticket that the files of a lottery hold."""
    found = [record["artifact"] for path in files(root) for record in records(path) if record["type"] == "artifact"]
    return sorted((each["name"], json.loads(each["metadata"])["round"]) for each in found if each["type"] == "ticket")


def files(directory: Path) -> list[Path]:
    """The run-ID.wandb files below `directory`, in the order in which the runs were started."""
    return sorted(directory.glob("wandb/offline-run-*/run-*.wandb"))


def _inspect(path: Path, *options: str) -> str:
    command = [get_core_path(), "leet", "inspect", "--no-observability", *options, "--run-file", str(path)]
    return subprocess.run([*command, str(path.parents[1])], check=True, capture_output=True, text=True).stdout
