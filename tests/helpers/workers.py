"""A tiny lottery as a command, and what it must leave behind whoever trains it."""

import csv
import json
from pathlib import Path

from app.runs.at_work import processes
from app.runs.layout import RunLayout
from app.runs.lock import held_by
from helpers.waiting import wait_until

TINY = (
    *("lottery", "--experiment", "tiny", "--checkpoint_seconds", "0.02"),
    *("--model", "app.modules.Classifier", "--model.net", "helpers.tiny_lottery.TinyNet", "--model.num_classes", "3"),
    *("--data", "helpers.tiny_lottery.Blobs", "--data.batch_size", "30"),
    *("--trainer.accelerator", "cpu", "--trainer.max_steps", "40", "--trainer.val_check_interval", "10"),
    *("--trainer.check_val_every_n_epoch", "null"),
    *("--pruning.rounds", "2", "--pruning.replicates", "2", "--pruning.methods", "[iterative, one_shot]"),
    *("--pruning.random_reinit", "1", "--pruning.keep", "[final, start]", "--pruning.oversubscribe", "true"),
)
TWO = ("--pruning.workers", "2")


def wait_until_free(run: RunLayout) -> None:
    """Wait until nobody is at work in the run directory, workers whose master is gone included."""
    wait_until(lambda: not processes(run) and not any(held_by(path) for path in run.root.rglob(".lock")))


def bits(run: Path) -> dict[str, object]:
    """Everything that is promised to be the same: all but seconds and speed, of every file but the configuration."""
    found: dict[str, object] = {
        str(path.relative_to(run)): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name not in ("config.yaml", "report.json", "results.csv")
    }
    for path in run.rglob("report.json"):
        report = json.loads(path.read_text())
        assert report["result"].pop("seconds") > 0
        assert report.pop("iterations_per_second", 1) > 0  # networks that are trained at once have none
        found[str(path.relative_to(run))] = report
    with open(run / "results.csv") as file:
        found["results.csv"] = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    return found


def different(expected: dict[str, object], found: dict[str, object]) -> list[str]:
    """Names of what is not the same."""
    return sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
