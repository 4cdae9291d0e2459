"""Rows of metrics at the right moments, with the values that the module logged."""

import math
from typing import Any

import pytest
import torch
from helpers.tiny import Probe, TinyData, TinyModule, tiny_trainer, with_validation
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers.logger import DummyLogger
from torch import Tensor

from callbacks import MetricsRecorder

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


class Sink:
    """What was called, in order: cuts as numbers, rows as dictionaries."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def cut(self, rows: int) -> None:
        self.calls.append(rows)

    def append(self, row: dict[str, float]) -> None:
        self.calls.append(row)

    def sync(self) -> None:
        pass

    @property
    def iterations(self) -> list[int]:
        return [call["iteration"] for call in self.calls if isinstance(call, dict)]


class Counting(TinyModule):
    """Logs numbers that say where they come from."""

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        self.log("steps", float(self.global_step + 1))
        return super().training_step(batch, batch_idx)

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        self.log("ten_times", 10.0 * self.global_step)


def fit(recorder: MetricsRecorder, *probes: Any, module: TinyModule | None = None, **arguments: Any) -> Trainer:
    trainer = tiny_trainer([recorder, *probes], **with_validation(3, max_steps=10) | arguments)
    trainer.fit(module or Counting(), TinyData())
    return trainer


def test_a_row_for_every_validation_and_one_before_the_first_iteration() -> None:
    sink = Sink()
    fit(MetricsRecorder(sink, ["ten_times", "nothing"]))
    cut, *rows = sink.calls
    assert cut == 0
    assert [row["iteration"] for row in rows] == [0, 3, 6, 9]
    assert [row["ten_times"] for row in rows] == [0, 30, 60, 90]
    assert all(math.isnan(row["nothing"]) for row in rows)
    assert [list(row) for row in rows] == [["iteration", "ten_times", "nothing"]] * 4
    assert all(type(row["ten_times"]) is float for row in rows)


def test_values_are_those_of_the_iteration() -> None:
    sink, seen = Sink(), []
    probe = Probe(on_validation_end=lambda trainer, _: seen.append(trainer.callback_metrics["val_loss"].item()))
    fit(MetricsRecorder(sink, ["val_loss"]), probe)
    values = [call["val_loss"] for call in sink.calls[1:]]
    assert values == pytest.approx(seen, rel=1e-7)
    assert len(set(values)) == 4


def test_a_metric_of_training_is_missing_at_iteration_0_only() -> None:
    sink = Sink()
    for _ in range(2):  # also not there from the training before
        fit(MetricsRecorder(sink, ["steps"]))
    values = [call["steps"] for call in sink.calls if isinstance(call, dict)]
    assert [math.isnan(value) for value in values] == [True, False, False, False] * 2
    assert values[1:4] == [3, 6, 9]


def test_resuming_cuts_back_to_the_rows_of_the_checkpoint(tmp_path: Any) -> None:
    sink = Sink()

    def save(trainer: Trainer, module: TinyModule) -> None:
        if trainer.global_step == 5:
            trainer.save_checkpoint(tmp_path / "5.ckpt")

    module = Counting()
    fit(MetricsRecorder(sink, ["val_loss"]), Probe(on_train_batch_end=save), module=module)
    begun, sink.calls = sink.calls, []
    trainer = tiny_trainer([MetricsRecorder(sink, ["val_loss"])], **with_validation(3, max_steps=10))
    trainer.fit(Counting(), TinyData(), ckpt_path=tmp_path / "5.ckpt")
    cut, *rows = sink.calls
    assert cut == 2  # the last row before the checkpoint is that of iteration 3
    assert rows == begun[3:]


def test_validating_and_testing_alone_are_not_recorded() -> None:
    sink = Sink()
    trainer = tiny_trainer([MetricsRecorder(sink, ["val_loss"])], **with_validation(3))
    trainer.validate(TinyModule(), TinyData(), verbose=False)
    trainer.test(TinyModule(), TinyData(), verbose=False)
    assert sink.calls == []


def test_a_new_training_begins_with_an_empty_sink_without_a_sanity_check_too() -> None:
    sink = Sink()
    fit(MetricsRecorder(sink, ["val_loss"]), num_sanity_val_steps=0)
    assert sink.calls[0] == 0
    assert sink.iterations == [3, 6, 9]


def test_two_steps_a_batch_count_as_optimiser_steps() -> None:
    sink = Sink()
    fit(MetricsRecorder(sink, ["val_loss"]), max_steps=6, accumulate_grad_batches=2, val_check_interval=4)
    # Epochs of 7 batches: steps after batches 2, 4, 6, 7, 9, 11, so that 4 and 8 batches are 2 and 4 steps.
    assert sink.iterations == [0, 2, 4]


def test_the_first_row_reaches_the_loggers_as_well() -> None:
    logged: list[tuple[int, dict[str, float]]] = []

    class Remember(DummyLogger):
        def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
            logged.append((step, metrics))

    fit(MetricsRecorder(Sink(), ["val_loss", "steps"]), logger=Remember(), log_every_n_steps=1)
    step, metrics = logged[0]
    assert step == 0
    assert metrics.keys() == {"val_loss"}
    assert math.isfinite(metrics["val_loss"])
    assert sum(1 for _, metrics in logged if "val_loss" in metrics) == 4


def test_seconds_add_up_over_processes(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("callbacks.metrics_recorder.time.monotonic", lambda: now[0])

    def pass_time(trainer: Trainer, module: TinyModule) -> None:
        now[0] += 2

    def save(trainer: Trainer, module: TinyModule) -> None:
        if trainer.global_step == 3:
            trainer.save_checkpoint(tmp_path / "3.ckpt")

    probes = [Probe(on_train_batch_start=pass_time), Probe(on_train_batch_end=save)]
    recorder = MetricsRecorder(Sink(), [])
    assert recorder.seconds == 0
    tiny_trainer([recorder, *probes], max_steps=5).fit(TinyModule(), TinyData())
    assert recorder.seconds == 10
    now[0] += 1000  # between two processes
    assert recorder.seconds == 10
    recorder = MetricsRecorder(Sink(), [])
    tiny_trainer([recorder, probes[0]], max_steps=5).fit(TinyModule(), TinyData(), ckpt_path=tmp_path / "3.ckpt")
    assert recorder.seconds == 6 + 4


def test_validations_do_not_count_in_the_speed(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("callbacks.metrics_recorder.time.monotonic", lambda: now[0])

    class Clock(Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            now[0] += 0.5

        def on_validation_batch_start(self, *_: Any) -> None:
            now[0] += 100

        def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
            if trainer.global_step == 3:
                trainer.save_checkpoint(tmp_path / "3.ckpt")

    recorder = MetricsRecorder(Sink(), [])
    assert math.isnan(recorder.iterations_per_second(0))
    tiny_trainer([recorder, Clock()], **with_validation(2, max_steps=5)).fit(TinyModule(), TinyData())
    assert recorder.iterations_per_second(5) == pytest.approx(2)
    assert recorder.seconds > 100
    recorder = MetricsRecorder(Sink(), [])
    trainer = tiny_trainer([recorder, Clock()], **with_validation(2, max_steps=7))
    trainer.fit(TinyModule(), TinyData(), ckpt_path=tmp_path / "3.ckpt")
    assert recorder.iterations_per_second(7) == pytest.approx(2)
    # A ticket that begins after other iterations, of another training.
    weights = torch.load(tmp_path / "3.ckpt")
    del weights["callbacks"][recorder.state_key]
    torch.save(weights, tmp_path / "ticket.ckpt")
    recorder = MetricsRecorder(Sink(), [])
    trainer = tiny_trainer([recorder, Clock()], **with_validation(2, max_steps=7))
    trainer.fit(TinyModule(), TinyData(), ckpt_path=tmp_path / "ticket.ckpt")
    assert recorder.iterations_per_second(7) == pytest.approx(2)
