"""Logical inference from the command line: trained, gone on with, killed, tested, reported on."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.command import in_process
from lightning.pytorch import Trainer
from test_fit import bits, different

from callbacks import resume_checkpoint

CONFIG = """
experiment: logic
seed_everything: 2
model:
  class_path: app.modules.InferenceClassifier
  init_args:
    net: {class_path: app.nets.ONLSTM, init_args: {input_size: 6, layer_sizes: [8], chunk_size: 2}}
    optimizer: {class_path: torch.optim.Adam, init_args: {lr: 0.01}}
    lr_scheduler:
      class_path: lightning.pytorch.cli.ReduceLROnPlateau
      init_args: {monitor: val_accuracy, mode: max, factor: 0.5, patience: 0, threshold: 0.0}
data: {class_path: datamodules.Logic, init_args: {draws: 1500, batch_size: 32}}
trainer:
  max_epochs: 4
  val_check_interval: 1.0
  check_val_every_n_epoch: 1
  num_sanity_val_steps: 0
  gradient_clip_val: 1.0
  accelerator: cpu
"""
FIT = ("fit", "--config", "logic.yaml")
RUN = "logic/seed_2"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("fit_logic")
    (directory / "logic.yaml").write_text(CONFIG)
    done = in_process(*FIT, cwd=directory)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert "val_accuracy" in done.stdout
    assert "accuracy_07" not in done.stdout, "too much for a line"
    return directory


class Killed(BaseException):
    """What happens to the process."""


def test_killed_and_made_longer_it_is_the_same_to_the_bit(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = ("--runs", "killed", "--trainer.max_epochs", "2", "--checkpoint_seconds", "0.001")
    save = resume_checkpoint.save_atomically

    def save_and_die(trainer: Trainer, path: Path, **options: Any) -> None:
        save(trainer, path, **options)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(resume_checkpoint, "save_atomically", save_and_die)
        with pytest.raises(Killed):
            in_process(*FIT, *short, cwd=finished)
    last = torch.load(finished / "killed" / RUN / "last.ckpt", weights_only=True)
    assert 0 < last["global_step"] < 10, "it was to be within the first epoch"
    for end in (short, ("--runs", "killed", "--checkpoint_seconds", "0.001")):
        done = in_process(*FIT, *end, cwd=finished)
        assert done.returncode == 0, done.stderr
    changed = different(bits(finished / "runs" / RUN), bits(finished / "killed" / RUN))
    assert not changed, changed


def test_tested_and_reported(finished: Path) -> None:
    with open(finished / "runs" / RUN / "metrics.csv") as file:
        best = min(csv.DictReader(file), key=lambda row: float(row["val_loss"]))
    tested = in_process("test", "--config", "logic.yaml", cwd=finished)
    assert tested.returncode == 0, tested.stderr
    lines = {line.split()[0]: line.split() for line in tested.stdout.splitlines() if line.split()}
    for number in ("2", "6"):
        said = [f"{100 * float(best[f'{kind}_{int(number):02d}']):.2f}" for kind in ("accuracy", "majority")]
        assert lines[number][2:] == said
    assert lines["all"][2] == f"{100 * float(best['test_accuracy']):.2f}"
    reported = in_process("report", "runs/logic", cwd=finished)
    assert reported.returncode == 0, reported.stderr
    assert "Up to 6 operators, as trained on" in reported.stdout
    assert (finished / "runs/logic/report/accuracy_by_operators.svg").exists()


def test_a_broken_file_is_one_line(finished: Path) -> None:
    (finished / "pairs").mkdir()
    for name in [*(f"train{n}" for n in range(7)), *(f"test{n}" for n in range(13))]:
        (finished / "pairs" / name).write_text("#\ta\tb\n")
    (finished / "pairs/train0").write_text("#\ta\tb\n#\ta\t( b )\n")
    done = in_process(*FIT, "--runs", "wrong", "--data.path", "pairs", cwd=finished)
    assert done.returncode == 2
    assert done.stderr.startswith("error: pairs/train0, line 2: token 3 of '( b )' closes no formula")
    assert len(done.stderr.splitlines()) == 1
