"""A run directory that grows, command by command, is the one that a single command makes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_lottery import lottery

from app.runs.checksums import CHECKSUMS, read_checksums
from app.runs.layout import RunLayout
from app.runs.table import read_results

# The command line silences it: the directory is ours.
pytestmark = pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")

STEPS: list[dict[str, Any]] = [
    {"rounds": 1},
    {"rounds": 2},
    {"replicates": 2},
    {"random_mask": 1},
    {"random_reinit": 1},
    {"methods": ["iterative", "one_shot"]},
    {"keep": ["final", "start"]},
    {"keep": ["final", "start", "best"]},
]


def files_of(run: RunLayout) -> dict[str, Path]:
    return {str(path.relative_to(run.root)): path for path in run.root.glob("replicate_*/**/*") if path.is_file()}


def untouched(run: RunLayout) -> dict[str, tuple[bytes, int]]:
    return {name: (path.read_bytes(), path.stat().st_mtime_ns) for name, path in files_of(run).items()}


def without_times(run: RunLayout) -> dict[str, Any]:
    """All that the networks left, but for how long they took."""
    found: dict[str, Any] = {}
    for name, path in files_of(run).items():
        if path.name == "report.json":
            report = json.loads(path.read_text())
            del report["result"]["seconds"], report["result"]["experiment"], report["iterations_per_second"]
            found[name] = repr(report)
        elif path.name == CHECKSUMS:  # those of checkpoints differ by the times in them
            found[name] = {key: value for key, value in read_checksums(path.parent).items() if ".ckpt" not in key}
        elif path.suffix == ".ckpt":
            state = torch.load(path, weights_only=True)["state_dict"]
            found[name] = {key: value.numpy().tobytes() for key, value in state.items()}
        else:
            found[name] = path.read_bytes()
    flat = [row.flat() for row in read_results(run.results)]
    # By how they are written, because nan is not equal to itself.
    found["results"] = [repr({key: row[key] for key in row if key not in ("seconds", "experiment")}) for row in flat]
    return found


def test_a_grown_directory_equals_one_made_at_once(tmp_path: Path) -> None:
    grown, once = RunLayout(tmp_path / "grown"), RunLayout(tmp_path / "once")
    options: dict[str, Any] = {"rewind_to": "5it"}
    for step in STEPS:
        options |= step
        before, earlier = untouched(grown), without_times(grown) if grown.results.exists() else {}
        lottery(grown.root, **options).run()
        after = untouched(grown)
        assert len(after) > len(before), step
        if "best" in options.get("keep", []):  # which only a training can make
            now = without_times(grown)
            assert [name for name, content in earlier.items() if now[name] != content] == []
        else:
            old = {name: kept for name, kept in after.items() if name in before and not name.endswith(CHECKSUMS)}
            assert old == {name: kept for name, kept in before.items() if name in old}, step
    lottery(once.root, **options).run()
    assert without_times(grown) == without_times(once)
    assert len(read_results(grown.results)) == 2 * (1 + 2 + 2 + 2 + 2)


def test_a_smaller_command_leaves_the_larger_directory_as_it_is(tmp_path: Path) -> None:
    run = RunLayout(tmp_path)
    whole = lottery(run.root, methods=["iterative", "one_shot"], random_mask=1, random_reinit=1)
    whole.run()
    before, table = untouched(run), run.results.read_bytes()
    smaller = lottery(run.root, rounds=1, random_mask=1)
    assert len(replace(smaller, whole=whole.settings).run()) == 3
    assert untouched(run) == before
    assert run.results.read_bytes() == table
