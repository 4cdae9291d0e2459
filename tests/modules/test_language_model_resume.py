"""Interrupted after any iteration and resumed, a language model ends bitwise equal to an uninterrupted one."""

import functools
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.language import NET_DROPOUTS, NETS, Rows, TinyTrees, language_model, trainer
from helpers.metrics import LANGUAGE_NAMES
from helpers.tiny import same, weights
from lightning.pytorch import Callback
from torch import Tensor

from app.common.errors import Interrupted
from callbacks import NTASGD, MetricsRecorder, ParseLogging, ResumeCheckpoint

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

NAMES = [*LANGUAGE_NAMES, "uf1_layer_1", "uf1_layer_2"]
# An epoch has three windows or four, unless the mode says otherwise.
MODES: dict[str, dict[str, Any]] = {
    "validation at the ends of epochs": {"max_epochs": 5},
    "validation within epochs": {"max_epochs": 3, "val_check_interval": 2},
    "validation after every iteration": {"max_epochs": 3, "val_check_interval": 1},
    "validation by iterations": {
        "max_epochs": -1, "max_steps": 14, "val_check_interval": 3, "check_val_every_n_epoch": None,
    },
    "two windows a step": {"max_epochs": 5, "accumulate_grad_batches": 2},
    "bfloat16": {"max_epochs": 6, "precision": "bf16-mixed"},  # has dropout masks of its own
    "the average begun anew": {"max_epochs": 6},
    "an epoch of one window": {"max_epochs": 6},
}  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {"the average begun anew": {"finetune_epoch": 4}}
by_mode = pytest.mark.parametrize("mode", MODES)


class Process:
    """All objects that a process makes for one training, and loses when it ends."""

    def __init__(self, mode: str, sink: Rows, *callbacks: Callback, seed: int = 99, **arguments: Any) -> None:
        which = "LSTM" if "every iteration" in mode else "ON-LSTM"
        self.module = language_model(NETS[which](**NET_DROPOUTS), seed=seed)
        if "bfloat16" in mode:
            self.module.float()
        self.averaging = NTASGD(nonmono=1, **OPTIONS.get(mode, {}))
        parsing = ParseLogging(every=2)
        recorder = MetricsRecorder(sink, NAMES)
        self.trainer = trainer([self.averaging, parsing, recorder, *callbacks], **MODES[mode] | arguments)
        self.mode, self.seed = mode, seed

    def fit(self, checkpoint: Path | None = None) -> None:
        found = checkpoint if checkpoint is not None and checkpoint.exists() else None
        torch.manual_seed(self.seed)
        data = TinyTrees(bptt=100 if "one window" in self.mode else 13)
        self.trainer.fit(self.module, data, ckpt_path=found, weights_only=True if found else None)
        self.rng = torch.get_rng_state()

    def end(self) -> tuple[dict[str, Tensor], dict[str, Any], int]:
        """Everything in which two trainings can differ; the module has the averaged weights, `live` the others."""
        live = {f"live {name}": value for name, value in self.averaging._live.items()}
        return weights(self.module) | live | {"rng": self.rng}, self.averaging.state_dict(), self.trainer.global_step


def assert_same_end(one: Process, other: Process, one_rows: Rows, other_rows: Rows, what: Any) -> None:
    (state, *rest), (other_state, *other_rest) = one.end(), other.end()
    assert repr(one_rows) == repr(other_rows), what  # repr, because nan is not nan
    assert rest == other_rest, what
    assert same(state, other_state), what


@functools.cache
def never_stopped(mode: str) -> tuple[Process, Rows]:
    rows = Rows()
    process = Process(mode, rows, seed=1)
    process.fit()
    return process, rows


@by_mode
def test_averaging_begins_in_the_middle(mode: str) -> None:
    """Otherwise the tests below would not cover what they claim."""
    process, rows = never_stopped(mode)
    steps = [row["iteration"] for row in rows]
    assert process.averaging.averaging
    assert process.averaging.triggered_at in steps[:-1]
    assert len(steps) >= 4
    assert any(name.startswith("live") for name in process.end()[0])
    assert {row["uf1_layer_1"] == row["uf1_layer_1"] for row in rows} == {True, False}
    if "anew" in mode:
        assert process.averaging.triggered_at == steps[3]
        assert process.averaging.losses == [row["val_loss"] for row in rows[:3]]


class Copies(Callback):
    """The checkpoints that a process killed at any moment could have left."""

    def __init__(self, path: Path) -> None:
        self.path, self.copies, self._last = path, [], 0

    def _copy(self, *_: Any) -> None:
        if self.path.exists() and self.path.stat().st_ino != self._last:
            self.copies.append(self.path.with_name(f"{len(self.copies)}.ckpt"))
            self.path.rename(self.copies[-1])
            shutil.copy(self.copies[-1], self.path)
            self._last = self.path.stat().st_ino

    on_train_batch_end = on_validation_end = on_train_end = _copy


@pytest.mark.parametrize(
    "mode", ["validation within epochs", "validation by iterations", "two windows a step", "bfloat16"]
)
def test_killed_after_any_save(tmp_path: Path, mode: str) -> None:
    whole, whole_rows = never_stopped(mode)
    path, rows = tmp_path / "last.ckpt", Rows()
    copies = Copies(path)
    process = Process(mode, rows, ResumeCheckpoint(path, every_seconds=0.0), copies, seed=1)
    process.fit()
    assert_same_end(process, whole, rows, whole_rows, "saving changed the training")
    # One save after every iteration but the last, at which the training is complete.
    assert [torch.load(copy, weights_only=True)["global_step"] for copy in copies.copies] == list(
        range(1, whole.trainer.global_step)
    )
    for step, copy in enumerate(copies.copies, start=1):
        # The killed process had gone further than its checkpoint, to the end at worst: its rows are all there.
        later = Rows(list(rows))
        process = Process(mode, later, ResumeCheckpoint(tmp_path / "again.ckpt", every_seconds=1e9))
        process.fit(copy)
        assert_same_end(process, whole, later, whole_rows, f"saved at iteration {step}")


@by_mode
def test_a_process_for_every_iteration(tmp_path: Path, mode: str) -> None:
    whole, whole_rows = never_stopped(mode)
    path, rows = tmp_path / "last.ckpt", Rows()
    for processes in range(1, 100):
        checkpoint = ResumeCheckpoint(path, every_seconds=0.0, stop=lambda: True)
        process = Process(mode, rows, checkpoint, seed=processes)
        try:
            process.fit(path)
        except Interrupted:
            assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]
        else:
            break
    assert processes == whole.trainer.global_step
    assert_same_end(process, whole, rows, whole_rows, f"{processes} processes")


@pytest.mark.parametrize("mode", ["validation at the ends of epochs", "validation within epochs"])
def test_made_longer_it_is_as_long_at_once(tmp_path: Path, mode: str) -> None:
    whole, whole_rows = never_stopped(mode)
    path, rows = tmp_path / "last.ckpt", Rows()

    def fit(epochs: int, seed: int) -> Process:
        checkpoint = ResumeCheckpoint(path, every_seconds=1e9, keep=True)
        process = Process(mode, rows, checkpoint, seed=seed, max_epochs=epochs)
        process.fit(path)
        return process

    for seed, epochs in enumerate(range(1, MODES[mode]["max_epochs"] + 1), start=1):
        process = fit(epochs, seed)
        # Again, which is no training at all.
        content, before, state = path.read_bytes(), repr(rows), weights(process.module)
        again = fit(epochs, seed=50)
        assert path.read_bytes() == content
        assert repr(rows) == before
        assert same(weights(again.module), state), "what is tested afterwards is another model"
        assert again.trainer.global_step == process.trainer.global_step
    assert_same_end(process, whole, rows, whole_rows, "in stages")
