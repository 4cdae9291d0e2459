"""A training stopped anywhere and gone on with ends with the bits of one that was never stopped."""

import functools
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny import RATES, TinyData, TinyNet, same, tiny_trainer, weights, with_validation
from lightning.pytorch import Callback
from torch import Tensor
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR

from app.common.errors import Interrupted
from app.modules import Classifier
from callbacks import FinalMetrics, IterativePruningCallback, MetricsRecorder, ResumeCheckpoint

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

NAMES = ["train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy"]

# An epoch has 3 batches, the last of 2 rows.
ROWS, EPOCH = 10, 3
MODES: dict[str, dict[str, Any]] = {
    "validation every 2, not dividing the epoch": with_validation(2, max_steps=7),
    "validation at the last iteration": with_validation(4, max_steps=8),
    "validation with the last batch of every epoch": with_validation(3, max_steps=9),
    "validation after every iteration": with_validation(1, max_steps=5),
    "no validation": {"max_steps": 7},
    "to the end of an epoch": {"max_steps": 6},
    "by epochs": with_validation(2, max_steps=-1, max_epochs=3),
    "by epochs, validation at their ends": {"max_epochs": 3, "limit_val_batches": 1.0, "num_sanity_val_steps": -1},
    "by epochs, validation within them": {
        "max_epochs": 2, "limit_val_batches": 1.0, "num_sanity_val_steps": -1, "val_check_interval": 2,
    },
    "by epochs, no validation": {"max_epochs": 3},
    "two batches a step": with_validation(2, max_steps=5, accumulate_grad_batches=2),
    "more batches a step than an epoch has": with_validation(2, max_steps=3, accumulate_grad_batches=9),
}  # fmt: skip
by_mode = pytest.mark.parametrize("mode", MODES)


@dataclass
class Rows:
    """A metrics.csv in memory."""

    rows: list[dict[str, float]] = field(default_factory=list)

    def cut(self, rows: int) -> None:
        self.rows = self.rows[:rows]

    def append(self, row: dict[str, float]) -> None:
        self.rows.append(row)

    def sync(self) -> None:
        pass


def momentum(parameters: Any) -> SGD:
    return SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.01)


def falling(optimizer: torch.optim.Optimizer) -> LambdaLR:
    return LambdaLR(optimizer, lambda step: 0.9**step)


class Process:
    """Everything that a process makes for one training, and that dies with it."""

    def __init__(self, mode: str, sink: Rows, *callbacks: Callback, seed: int = 99) -> None:
        torch.manual_seed(seed)
        self.module = Classifier(TinyNet(dropout=0.4, norm=True), momentum, falling, num_classes=3)
        self.data = TinyData(rows=ROWS, eval_batch_size=20)
        self.pruning = IterativePruningCallback(RATES, rewind_to="1it")
        self.accuracy = FinalMetrics()
        recorder = MetricsRecorder(sink, NAMES)
        self.trainer = tiny_trainer([self.pruning, recorder, self.accuracy, *callbacks], **MODES[mode])

    def fit(self, checkpoint: Path | None = None) -> None:
        self.trainer.fit(self.module, self.data, ckpt_path=checkpoint if checkpoint and checkpoint.exists() else None)
        self.rng = torch.get_rng_state()

    def end(self) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, float], int]:
        """All that two trainings can differ in."""
        optimizer = self.trainer.optimizers[0].state_dict()["state"]
        momenta = {str(key): state["momentum_buffer"] for key, state in optimizer.items()}
        state = weights(self.module) | momenta | {"rng": self.rng}
        return state, dict(self.pruning.rewind_point), self.accuracy.values, self.trainer.global_step


def assert_same_end(one: Process, other: Process, one_rows: Rows, other_rows: Rows, what: Any) -> None:
    (state, point, *rest), (other_state, other_point, *other_rest) = one.end(), other.end()
    assert repr(one_rows.rows) == repr(other_rows.rows), what  # repr, because nan is not nan
    assert rest == other_rest, what
    assert same(point, other_point), what
    assert same(state, other_state), what


@functools.cache
def never_stopped(mode: str) -> tuple[Process, Rows]:
    rows = Rows()
    process = Process(mode, rows, seed=1)
    process.fit()
    return process, rows


def global_step(path: Path) -> int:
    return torch.load(path, weights_only=True)["global_step"]


def checkpoint_at(path: Path, **options: Any) -> ResumeCheckpoint:
    return ResumeCheckpoint(path, **{"every_seconds": 0.0} | options)


class Copies(Callback):
    """What a killed process would have left behind, at every moment at which the file is another."""

    def __init__(self, path: Path) -> None:
        self.path, self.copies, self._last = path, [], 0

    def _copy(self, *_: Any) -> None:
        if self.path.exists() and self.path.stat().st_ino != self._last:
            self._last = self.path.stat().st_ino
            self.copies.append(self.path.with_name(f"{len(self.copies)}.ckpt"))
            self.path.rename(self.copies[-1])
            shutil.copy(self.copies[-1], self.path)
            self._last = self.path.stat().st_ino

    on_train_batch_end = on_validation_end = on_train_end = _copy


@by_mode
def test_killed_after_any_save(tmp_path: Path, mode: str) -> None:
    whole, whole_rows = never_stopped(mode)
    path, rows = tmp_path / "last.ckpt", Rows()
    copies = Copies(path)
    process = Process(mode, rows, checkpoint_at(path), copies, seed=1)
    process.fit()
    assert_same_end(process, whole, rows, whole_rows, "saving changed the training")

    steps, last = [global_step(copy) for copy in copies.copies], whole.trainer.global_step
    assert steps == sorted(set(steps))
    # One save for every iteration but the last; at the end of an epoch it may have to wait for the next.
    assert (
        {step for step in range(1, last) if step % EPOCH or "epochs" not in mode} <= set(steps) <= set(range(1, last))
    )
    for step, copy in zip(steps, copies.copies, strict=True):
        # The killed process had gone further than its checkpoint, to the end at worst: its rows are all there.
        later = Rows(list(rows.rows))
        process = Process(mode, later)
        process.trainer.callbacks.append(checkpoint_at(tmp_path / "again.ckpt"))
        process.fit(copy)
        assert_same_end(process, whole, later, whole_rows, f"saved at iteration {step}")


@pytest.mark.parametrize(
    "mode", ["validation every 2, not dividing the epoch", "by epochs, validation within them", "two batches a step"]
)
def test_asked_to_stop_at_any_moment(tmp_path: Path, mode: str) -> None:
    whole, whole_rows = never_stopped(mode)
    for moment in range(1, 100):
        path, rows, asked = tmp_path / f"{moment}.ckpt", Rows(), iter(range(1, 1000))

        def stop(asked: Any = asked, moment: int = moment) -> bool:
            return next(asked) >= moment

        process = Process(mode, rows, ResumeCheckpoint(path, every_seconds=1e9, stop=stop), seed=1)
        try:
            process.fit()
        except Interrupted:
            assert path.exists()
            process = Process(mode, rows, ResumeCheckpoint(path, every_seconds=1e9))
            process.fit(path)
            assert_same_end(process, whole, rows, whole_rows, f"stopped when asked the {moment}th time")
        else:
            assert not path.exists()
            assert_same_end(process, whole, rows, whole_rows, "asked to stop when all was done")
            break
    assert moment >= whole.trainer.global_step


@by_mode
def test_a_process_for_every_iteration(tmp_path: Path, mode: str) -> None:
    whole, whole_rows = never_stopped(mode)
    path, rows = tmp_path / "last.ckpt", Rows()
    for processes in range(1, 100):
        process = Process(mode, rows, checkpoint_at(path, stop=lambda: True), seed=processes)
        try:
            process.fit(path)
        except Interrupted:
            assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]
        else:
            break
    assert whole.trainer.global_step / 2 < processes <= whole.trainer.global_step
    assert_same_end(process, whole, rows, whole_rows, f"{processes} processes")


@pytest.mark.parametrize("length", [{"max_epochs": 5}, {"max_steps": 5}])
def test_where_every_batch_is_an_epoch_it_saves_and_stops_as_well(tmp_path: Path, length: dict[str, int]) -> None:
    path, results = tmp_path / "last.ckpt", []
    for stop in (bool, lambda: True):
        path.unlink(missing_ok=True)
        torch.manual_seed(0)
        module = Classifier(TinyNet(), num_classes=3)
        for _ in range(20):
            trainer = tiny_trainer([checkpoint_at(path, stop=stop)], **length)
            try:
                trainer.fit(module, TinyData(rows=4), ckpt_path=path if path.exists() else None)
            except Interrupted:
                module = Classifier(TinyNet(), num_classes=3)
            else:
                break
        assert path.exists()
        assert trainer.global_step == 5
        results.append(weights(module))
    assert same(*results)


def test_a_ticket_goes_on_with_its_masks(tmp_path: Path) -> None:
    mode, path = "validation every 2, not dividing the epoch", tmp_path / "last.ckpt"
    masks = {
        "net.fc.weight": torch.arange(48).view(8, 6) % 3 > 0,
        "net.output.weight": torch.arange(24).view(3, 8) % 2 > 0,
    }

    def adopted(rows: Rows, *callbacks: Callback, seed: int) -> Process:
        process = Process(mode, rows, *callbacks, seed=seed)
        process.pruning.adopt(masks, round=3)
        return process

    whole_rows, rows = Rows(), Rows()
    whole = adopted(whole_rows, seed=1)
    whole.fit()
    asked = iter(range(100))
    process = adopted(rows, checkpoint_at(path, stop=lambda: next(asked) >= 5), seed=1)
    with pytest.raises(Interrupted):
        process.fit()
    process = adopted(rows, checkpoint_at(path), seed=2)
    process.fit(path)
    assert process.pruning.round == 3
    assert_same_end(process, whole, rows, whole_rows, "adopted")
    assert not process.module.net.fc.weight[~masks["net.fc.weight"]].any()
