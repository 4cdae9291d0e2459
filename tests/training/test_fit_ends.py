"""Where a training by `fit` ends: longer, shorter, stopped early, stopped by the clock, diverged."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers import user_modules
from helpers.command import in_process

from app.runs.layout import FitLayout
from app.runs.table import read_metrics

STOPS_AFTER_TWO = (
    *("--trainer.callbacks", "EarlyStopping", "--trainer.callbacks.monitor", "val_loss"),
    *("--trainer.callbacks.patience", "1", "--trainer.callbacks.min_delta", "100"),
)
USERS_OWN = """
import torch
from lightning.pytorch import Callback
from user_modules import ResNet

class Rated(ResNet):
    def __init__(self, lr: float = 0.05):
        super().__init__()
        self.lr = lr

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)

class Clock(Callback):
    def on_train_batch_end(self, trainer, *_):
        timers = [each for each in trainer.callbacks if type(each).__name__ == "Timer"]
        trainer.should_stop |= trainer.global_step == 7 and timers[0].time_remaining() < 60

class Falling(ResNet):
    '''Diverges in the second epoch, without a loss that is not finite on the way.'''

    def on_train_epoch_start(self):
        self.factor = float("nan") if self.current_epoch == 1 else 1.0

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * self.factor
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    shutil.copy(user_modules.__file__, tmp_path)
    (tmp_path / "mine.py").write_text(USERS_OWN)
    return tmp_path


def fit(here: Path, *options: str, model: str = "user_modules.ResNet") -> Any:
    parts = ("--model", model, "--data", "user_modules.Images", "--experiment", "mine", "--trainer.accelerator", "cpu")
    return in_process("fit", *parts, "--trainer.logger", "false", *options, cwd=here)


def epochs(here: Path, number: int, *options: str, model: str = "user_modules.ResNet") -> Any:
    return fit(here, "--trainer.max_epochs", str(number), *options, model=model)


def report(here: Path) -> dict[str, Any]:
    return json.loads((here / "runs/mine/seed_0/report.json").read_text())  # type: ignore[no-any-return]


def test_one_that_is_past_the_length_is_refused_and_stays_finished(here: Path) -> None:
    """At the end of an epoch, which Lightning's checkpoints do not count."""
    assert epochs(here, 3).returncode == 0
    before = report(here)
    for shorter in (2, 1):
        done = epochs(here, shorter)
        assert done.returncode == 2
        assert f"is past trainer.max_epochs {shorter} (at 3); make it longer" in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert report(here) == before
    again = epochs(here, 3)
    assert again.returncode == 0
    assert "epoch" not in again.stdout, "it was finished, and is begun again"
    done = fit(here, "--trainer.max_epochs", "3", "--trainer.max_steps", "14")
    assert "is past trainer.max_steps 14 (at 15)" in done.stderr
    assert epochs(here, 4).returncode == 0
    assert report(here)["iterations"] == 20


def test_a_report_of_before_these_entries_counts(here: Path) -> None:
    assert epochs(here, 1).returncode == 0
    old = {name: value for name, value in report(here).items() if name not in ("complete", "iterations")}
    del old["finished"]["trainer.max_time"]
    FitLayout(here / "runs/mine/seed_0").report.write_text(json.dumps(old))
    again = epochs(here, 1)
    assert (again.returncode, "epoch" in again.stdout) == (0, False)


def test_what_a_callback_has_stopped_says_where_and_goes_no_further(here: Path) -> None:
    done = epochs(here, 6, *STOPS_AFTER_TWO)
    assert "(stopped early, at iteration 10)" in done.stdout
    assert (report(here)["complete"], report(here)["iterations"]) == (False, 10)
    longer = epochs(here, 9, *STOPS_AFTER_TWO)
    assert longer.returncode == 0
    assert [row["iteration"] for row in read_metrics(here / "runs/mine/seed_0/metrics.csv")] == [5, 10]


def test_epochs_are_not_batches(here: Path) -> None:
    done = epochs(here, 2, "--trainer.accumulate_grad_batches", "4")
    assert done.returncode == 0, done.stderr
    assert (report(here)["complete"], report(here)["iterations"]) == (True, 4)


def test_a_clock_that_leaves_no_iteration_is_no_success(here: Path) -> None:
    done = epochs(here, 2, "--trainer.max_time", "00:00:00:00")
    assert done.returncode == 1
    assert "nothing was trained" in done.stderr
    assert report(here)["finished"] is None
    # Another time may be given.
    assert epochs(here, 2).returncode == 0


def test_a_rate_that_no_optimiser_takes_is_one_line(here: Path) -> None:
    done = epochs(here, 1, "--model.lr=-1", model="mine.Rated")
    assert done.returncode == 2
    assert done.stderr == "error: the optimiser or its schedule: Invalid learning rate: -1.0\n"
    assert epochs(here, 1, "--model.lr", "0.1", model="mine.Rated").returncode == 0


def test_early_stopping_by_a_metric_that_is_not_there_is_one_line(here: Path) -> None:
    stopping = ("--trainer.callbacks", "EarlyStopping", "--trainer.callbacks.monitor", "val_lss")
    done = epochs(here, 2, *stopping)
    assert done.returncode == 2
    assert "conditioned on metric `val_lss`" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_one_that_diverges_at_once_may_be_begun_otherwise(here: Path) -> None:
    done = epochs(here, 2, "--model.lr", "1e30", model="mine.Rated")
    assert done.returncode == 1
    assert "the training diverged; try a lower learning rate, with another --experiment" in done.stderr
    again = epochs(here, 2, "--model.lr", "0.01", model="mine.Rated")
    assert again.returncode == 0, again.stderr


def test_one_that_diverges_later_keeps_what_it_has_and_is_reported_on(here: Path) -> None:
    done = epochs(here, 3, model="mine.Falling")
    assert done.returncode == 1
    assert "loss is nan at iteration 6" in done.stderr
    assert (report(here)["finished"], report(here)["last"]["iteration"]) == (None, 5)
    assert (here / "runs/mine/seed_0/best.ckpt").exists()
    told = in_process("report", "runs/mine/seed_0", cwd=here)
    assert (told.returncode, told.stderr) == (0, "")
    other = epochs(here, 3, "--seed_everything", "1", "--experiment", "another", model="mine.Rated")
    assert other.returncode == 0, other.stderr


def test_what_the_clock_has_stopped_goes_on_with_more_time(here: Path) -> None:
    """Stopped in its second epoch, by a clock that a test can read."""
    at = ("--trainer.callbacks", "mine.Clock")
    done = epochs(here, 3, *at, "--trainer.max_time", "00:00:00:01", model="mine.Rated")
    assert done.returncode == 0, done.stderr
    assert "(stopped early, at iteration 7)" in done.stdout
    assert "epoch" not in epochs(here, 3, *at, "--trainer.max_time", "00:00:00:01", model="mine.Rated").stdout
    done = epochs(here, 3, *at, "--trainer.max_time", "00:00:10:00", model="mine.Rated")
    assert done.returncode == 0, done.stderr
    assert [row["iteration"] for row in read_metrics(here / "runs/mine/seed_0/metrics.csv")] == [5, 10, 15]
