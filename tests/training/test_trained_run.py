"""What is measured of a trained network is logged into the W&B run of its training."""

from pathlib import Path

import pytest
import wandb
from helpers import wandb_offline
from helpers.command import in_process

TINY = (
    *("--model", "app.modules.Classifier", "--model.net", "helpers.tiny_lottery.TinyNet", "--model.num_classes", "3"),
    *("--data", "helpers.tiny_lottery.Blobs", "--data.batch_size", "30", "--trainer.accelerator", "cpu"),
    *("--experiment", "e", "--trainer.max_epochs", "1"),
)


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    assert in_process("fit", *TINY, cwd=tmp_path, WANDB_MODE="offline").returncode == 0
    return tmp_path


def test_test_logs_into_the_run_of_a_fit(trained: Path) -> None:
    done = in_process("test", "runs/e/seed_0", cwd=trained, WANDB_MODE="offline")
    assert done.returncode == 0, done.stderr
    in_process("test", "runs/e/seed_0", "--trainer.logger", "false", cwd=trained, WANDB_MODE="offline")
    wandb.teardown()
    begun, measured = wandb_offline.files(trained / "runs/e/seed_0")
    runs = [wandb_offline.run(path) for path in (begun, measured)]
    for name in ("run_id", "display_name", "run_group", "job_type", "project", "tags"):
        assert runs[0][name] == runs[1][name]
    (row,) = wandb_offline.history(measured)
    assert row["test/test_accuracy"] == pytest.approx(wandb_offline.history(begun)[-1]["test_accuracy"])
    assert "test_accuracy" not in row  # of the training, whose best the summary has


def test_test_logs_into_the_run_of_a_lottery(tmp_path: Path) -> None:
    done = in_process("lottery", *TINY, "--pruning.rounds", "1", cwd=tmp_path, WANDB_MODE="offline")
    assert done.returncode == 0, done.stderr
    network = "runs/e/replicate_0/iterative/round_01"
    assert in_process("test", network, cwd=tmp_path, WANDB_MODE="offline").returncode == 0
    wandb.teardown()
    files = [(wandb_offline.run(path), path) for path in wandb_offline.files(tmp_path / "runs/e")]
    ours = [path for run, path in files if run["display_name"] == "replicate_0/iterative"]
    assert len(ours) == 2
    assert len({wandb_offline.run(path)["run_id"] for path in ours}) == 1
    (row,) = wandb_offline.history(ours[1])
    assert row["round"] == 1
    assert 0.5 < row["density"] < 1
    assert 0 <= row["test/test_accuracy"] <= 1


def test_weights_elsewhere_and_wandb_disabled_log_nothing(trained: Path) -> None:
    before = wandb_offline.files(trained / "runs/e/seed_0")
    (trained / "runs/e/seed_0/best.ckpt").rename(trained / "kept.ckpt")
    assert in_process("test", "--ckpt_path", "kept.ckpt", cwd=trained, WANDB_MODE="offline").returncode == 0
    (trained / "kept.ckpt").rename(trained / "runs/e/seed_0/best.ckpt")
    assert in_process("test", "runs/e/seed_0", cwd=trained).returncode == 0
    wandb.teardown()
    assert wandb_offline.files(trained / "runs/e/seed_0") == before
    assert not (trained / "wandb").exists()
