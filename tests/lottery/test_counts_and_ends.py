"""Lotteries of a user's own modules: how long their networks are, where they end, and what is not a number."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers import user_modules
from helpers.command import in_process

from app.runs.layout import NetworkKey, RunLayout
from app.runs.table import read_metrics, read_results

DENSE, TICKET = NetworkKey(0, "dense", 0), NetworkKey(0, "iterative", 1)
USERS_OWN = """
import torch
from torch.utils.data import DataLoader
from user_modules import Images, ResNet

class ByLoader(ResNet):
    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        super().validation_step(batch, batch_idx)

class TwoLoaders(Images):
    def val_dataloader(self):
        return [super().val_dataloader(), super().test_dataloader()]

class Undefined(ResNet):
    '''Its score is nan at every second validation.'''

    def __init__(self):
        super().__init__()
        self.validations = 0

    def on_validation_epoch_end(self):
        self.validations += 1
        self.log("val_score", torch.tensor(0.1 * self.validations if self.validations % 2 else torch.nan))

class Keeps(ResNet):
    '''Uses in its training what it has kept of a validation, and a logger.'''

    kept = None

    def validation_step(self, batch, batch_idx):
        self.kept = self(batch[0])
        super().validation_step(batch, batch_idx)

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        return loss if self.kept is None else loss + 0 * (self.kept * self.net[5].bias).sum()

    def on_validation_epoch_end(self):
        self.logger.experiment.add_scalar("x", 1.0)

class Broken(ResNet):
    def test_step(self, batch, batch_idx):
        raise ZeroDivisionError("by zero")

class Rated(ResNet):
    def __init__(self, lr: float = 0.05):
        super().__init__()
        self.lr = lr

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)
"""


def lottery(here: Path, *options: str, model: str = "user_modules.ResNet", data: str = "user_modules.Images") -> Any:
    shutil.copy(user_modules.__file__, here)
    (here / "mine.py").write_text(USERS_OWN)
    parts = ("--model", model, "--data", data, "--experiment", "mine", "--trainer.accelerator", "cpu")
    ends = () if any("max_" in option for option in options) else ("--trainer.max_epochs", "2")
    logger = () if "--trainer.logger" in options else ("--trainer.logger", "false")
    return in_process("lottery", *parts, *ends, *logger, "--pruning.rounds", "1", *options, cwd=here)


def iterations(here: Path, key: NetworkKey) -> list[float]:
    return [row["iteration"] for row in read_metrics(RunLayout(here / "runs/mine").network(key).metrics)]


def report(here: Path, key: NetworkKey) -> dict[str, Any]:
    return json.loads(RunLayout(here / "runs/mine").network(key).report.read_text())  # type: ignore[no-any-return]


def test_epochs_and_rewind_points_count_optimiser_steps(tmp_path: Path) -> None:
    """Five batches in an epoch are three steps of up to two batches."""
    done = lottery(tmp_path, "--trainer.accumulate_grad_batches", "2", "--pruning.rewind_to", "1ep")
    assert done.returncode == 0, done.stderr
    assert iterations(tmp_path, DENSE) == [0, 3, 6]
    assert iterations(tmp_path, TICKET) == [6]
    assert (report(tmp_path, TICKET)["began_at"], report(tmp_path, TICKET)["iterations"]) == (3, 6)


def test_overfitting_counts_its_batches(tmp_path: Path) -> None:
    done = lottery(tmp_path, "--trainer.overfit_batches", "2", "--trainer.max_epochs", "3", "--pruning.rounds", "0")
    assert done.returncode == 0, done.stderr
    assert (report(tmp_path, DENSE)["iterations"], report(tmp_path, DENSE)["complete"]) == (6, True)


def test_what_a_callback_has_stopped_says_so(tmp_path: Path) -> None:
    stop = ("--trainer.callbacks", "EarlyStopping", "--trainer.callbacks.monitor", "val_loss")
    stop += ("--trainer.callbacks.patience", "1", "--trainer.callbacks.min_delta", "100", "--trainer.max_epochs", "6")
    done = lottery(tmp_path, *stop)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("stopped before its full length, at 10") == 2
    assert [row.iterations for row in read_results(tmp_path / "runs/mine/results.csv")] == [10, 10]
    assert not report(tmp_path, DENSE)["complete"]


def test_metrics_of_several_loaders_are_named_before_the_first_training(tmp_path: Path) -> None:
    done = lottery(tmp_path, model="mine.ByLoader", data="mine.TwoLoaders")
    assert done.returncode == 2
    assert "does not log at validations; it logs val_acc/dataloader_idx_0" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.rglob("config.yaml"))
    named = ("--best.monitor", "val_loss/dataloader_idx_0")
    done = lottery(tmp_path, *named, model="mine.ByLoader", data="mine.TwoLoaders")
    assert done.returncode == 0, done.stderr


def test_nan_is_no_early_stop_and_no_edited_table(tmp_path: Path) -> None:
    best = ("--best.monitor", "val_score", "--best.mode", "max", "--trainer.max_epochs", "3")
    done = lottery(tmp_path, *best, "--pruning.rounds", "0", model="mine.Undefined")
    assert done.returncode == 0, done.stderr
    (row,) = read_results(tmp_path / "runs/mine/results.csv")
    metrics = {
        each["iteration"]: each["val_score"]
        for each in read_metrics(tmp_path / "runs/mine/replicate_0/round_00/metrics.csv")
    }
    assert [iteration for iteration, value in metrics.items() if value == value] == [5, 15], "the test tests nothing"
    assert row.early_stop_iteration == 15
    for place in ("runs/mine", "runs/mine/replicate_0/round_00"):
        told = in_process("report", place, cwd=tmp_path)
        assert (told.returncode, told.stderr) == (0, "")


def test_what_a_module_keeps_of_a_validation_serves_its_next_training(tmp_path: Path) -> None:
    """Measuring the end makes no tensors that cannot be trained with, and has a logger where a training has."""
    # A ticket that trains on from a later moment has no sanity check, which would replace what the module keeps.
    options = ("--trainer.logger", "helpers.quiet_logger.QuietLogger", "--pruning.rewind_to", "1ep")
    done = lottery(tmp_path, *options, model="mine.Keeps")
    assert done.returncode == 0, done.stderr


def test_a_broken_test_is_found_before_the_first_training(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        lottery(tmp_path, model="mine.Broken")
    assert not list(tmp_path.rglob("metrics.csv"))


def test_what_is_advised_where_a_training_diverges_works(tmp_path: Path) -> None:
    done = lottery(tmp_path, "--model.lr", "1e30", model="mine.Rated")
    assert done.returncode == 1
    assert "try a lower learning rate, with another --experiment" in done.stderr
    done = lottery(tmp_path, "--model.lr", "0.1", "--experiment", "another", model="mine.Rated")
    assert done.returncode == 0, done.stderr
