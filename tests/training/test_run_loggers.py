"""A lottery in W&B: which runs there are, and what each holds."""

import os
from pathlib import Path

import pytest
import wandb
from helpers import wandb_offline
from helpers.tiny_lottery import ITERATIONS, lottery

from app.runs.table import read_results
from app.training.rounds_wandb_logger import RoundsWandbLogger


def test_one_run_per_replicate_method_and_branch(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WANDB_MODE", raising=False)
        options = {"methods": ["iterative", "one_shot"], "random_reinit": 2}
        drawn = lottery(tmp_path / "tiny", make_loggers=lambda: [RoundsWandbLogger()], **options)
        try:
            drawn.run()
        finally:
            drawn.train.loggers.finish()
            wandb.teardown()
        assert "WANDB_SERVICE" not in os.environ

    runs = {}
    for path in wandb_offline.files(tmp_path / "tiny"):
        (run,) = [record.run for record in wandb_offline.records(path) if record.HasField("run")]
        runs[run.display_name] = (run, wandb_offline.history(path))
    names = ("dense", "iterative", "one_shot", "random_reinit_0", "random_reinit_1")
    assert set(runs) == {f"tiny/replicate_0/{name}" for name in names}
    assert len({run.run_id for run, _ in runs.values()}) == 5
    assert {run.run_group for run, _ in runs.values()} == {"tiny"}

    rows = {(row.method, row.round, row.branch): row for row in read_results(tmp_path / "tiny/results.csv")}
    for name in names:
        _, history = runs[f"tiny/replicate_0/{name}"]
        steps = [row["trainer/global_step"] for row in history if "val_loss" in row]
        assert steps == sorted(steps)
        rounds = [0] if name == "dense" else [1, 2]
        assert {row["round"] for row in history if "val_loss" in row} == set(rounds)
        assert steps[0] == rounds[0] * ITERATIONS
        assert steps[-1] == (rounds[-1] + 1) * ITERATIONS
        method, branch = (name[:-2], int(name[-1])) if name.startswith("random") else (name, 0)
        summaries = [row for row in history if "round/density" in row]
        assert [row["round/round"] for row in summaries] == rounds
        for summary in summaries:
            row = rows[method, summary["round/round"], branch]
            assert summary["round/density"] == pytest.approx(row.density)
            assert summary["round/early_stop_test_accuracy"] == pytest.approx(row.value("early_stop_test_accuracy"))
            assert summary["round/early_stop_iteration"] == row.early_stop_iteration
