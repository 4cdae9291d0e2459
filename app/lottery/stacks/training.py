"""Trains several networks of a lottery at once, each with the files that it would have had alone."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from app.common import protocols
from app.common.errors import Interrupted, RunError
from app.common.files import make_directory, remove
from app.common.states import load_plain_state
from app.common.used_kernels import stacked_kernels
from app.lottery.finished_networks import LAST_RATES
from app.lottery.network import NetworkTraining
from app.lottery.network_files import read_result
from app.lottery.network_summary import summary
from app.lottery.stacks.checkpoint import StackCheckpoint
from app.lottery.stacks.data import Gathered
from app.lottery.stacks.group import Group, Place, Prepared, numbers
from app.pruning import collapsed
from app.runs.kernels import check_kernels
from app.runs.table import ITERATION, MetricsFile, MetricsRow, Result, read_metrics
from app.training.kernel_record import KernelRecord
from callbacks import ExperimentProgress
from callbacks.stop_on_non_finite import diverged

SHOWN_SECONDS = 1.0  # how often rows are written: each time the device is waited for


@dataclass(kw_only=True)
class StackTraining:
    """Trains some networks from one iteration to the end.

    Args:
        network: trains networks alone; has all that both need.
        progress: where it is shown.
        place: where they are trained.
        networks: what is trained; networks of a replicate stand beside each other.
        gathered: data of earlier groups.
        begin: the iteration that they begin at.
    """

    network: NetworkTraining
    progress: ExperimentProgress
    place: Place
    networks: Sequence[Prepared]
    gathered: Gathered
    begin: int = 0
    _pending: list[tuple[int, dict[str, Tensor]]] = field(default_factory=list)
    _initial: dict[str, dict[str, float]] = field(default_factory=dict)
    _failed: dict[str, str] = field(default_factory=dict)
    _rows: int = 0

    def __call__(self, checkpoint: StackCheckpoint | None = None) -> list[Result]:
        """Train until the directories of all are finished.

        Args:
            checkpoint: to go on from.

        Raises:
            Interrupted: asked to stop; the checkpoint is up to date.
            RunError: a training diverged; all others are finished.
        """
        self._began = time.monotonic() - (checkpoint.seconds if checkpoint else 0.0)
        self._keys = [one.job.key for one in self.networks]
        self._files = [self.network.layout.network(key) for key in self._keys]
        for files in self._files:
            make_directory(files.root)
            remove(files.done)
        self._group = Group(self.network.model, self.network.data, self.networks, self.place, self.gathered)
        self._training = self._group.training
        place = self.place.device, self.place.precision
        self._record = KernelRecord(stacked_kernels(self.network.model, *place) | self._training.implementations())
        names = [metric.name for metric in protocols.metric_schema(self.network.model) or ()]
        self._tables = [MetricsFile(files.metrics, names) for files in self._files]
        self._resume(checkpoint)
        self._train()
        return self._finish(self._measured_at_end())

    def _resume(self, checkpoint: StackCheckpoint | None) -> None:
        if checkpoint is None:
            self._training.iteration, self._rows = self.begin, 0
            accuracies = zip(self._keys, numbers(self._group.supermask_accuracy()), strict=True)
            self._initial = {key.path: {"supermask_accuracy": accuracy} for key, accuracy in accuracies}
        else:
            self._check_optimizer(checkpoint)
            self._record.read(vars(checkpoint))
            self._training.load_state_dict(checkpoint.training)
            self._rows, self._failed, self._initial = checkpoint.rows, dict(checkpoint.failed), checkpoint.initial
            for one in self.networks:
                if one.job.key.path in checkpoint.rewind_points:
                    one.job.ticket.rewind_point = checkpoint.rewind_points[one.job.key.path]
        for key, table in zip(self._keys, self._tables, strict=True):
            if key.path not in self._failed:  # else no more rows were added
                table.cut(self._rows, self.network.layout.stack)
        count = len(self.networks)
        label = f"{count} networks at once, {self._keys[0]}" + (f" to {self._keys[-1]}" if count > 1 else "")
        self.progress.begin(label, None, self.network.iterations * count)
        self.progress.reach(self._training.iteration * count, resumed=True)

    def _check_optimizer(self, checkpoint: StackCheckpoint) -> None:
        """Refuse to go on with another update of the weights; all other kernels are compared for the whole lottery."""
        own = self._training.implementations()
        before = [{name: each[name] for name in own if name in each} for each in checkpoint.kernels]
        allowed = bool(self.network.config.get("allow_other_kernels"))
        check_kernels(f"{self.network.layout.stack} was begun", before, own, allowed=allowed)

    def _train(self) -> None:
        training, end = self._training, self.network.iterations
        self._saved = self._shown = time.monotonic()
        if training.iteration == 0 and self._rows == 0:
            self._record_rewind_point()
            self._validate()
        while training.iteration < end:
            training.advance(1)
            self._record_rewind_point()
            if self._group.validations.follows(training.iteration):
                self._validate()
            self._look_up()
        self._write_rows()

    def _validate(self) -> None:
        """Measure on the device, without waiting for it."""
        self._pending.append((self._training.iteration, self._group.validate()))

    def _record_rewind_point(self) -> None:
        if self._training.iteration != self.network.rewind_iteration:
            return
        for index, one in enumerate(self.networks):
            if one.job.key.round == 0:
                one.job.ticket.rewind_point = self._group.state(index)

    def _look_up(self) -> None:
        """Write rows, save and stop, where it is time to."""
        stop, now = self.network.stop(), time.monotonic()
        complete = self._training.iteration == self.network.iterations
        if stop or now - self._shown >= SHOWN_SECONDS:
            self._write_rows()
            self._shown = time.monotonic()
            self.progress.reach(self._training.iteration * len(self.networks))
        if stop or (now - self._saved >= self.network.checkpoint_seconds and not complete):
            self._write_rows()
            self._save()
            self._saved = time.monotonic()
        if stop:
            raise Interrupted

    def _write_rows(self) -> None:
        """Wait for the device, and write what was measured since the last time."""
        if not self._pending:
            return
        found = [
            (iteration, {name: numbers(values) for name, values in measured.items()})
            for iteration, measured in self._pending
        ]
        for index, (key, table) in enumerate(zip(self._keys, self._tables, strict=True)):
            rows = []
            for iteration, measured in found:
                row: MetricsRow = {name: values[index] for name, values in measured.items()}
                if key.path not in self._failed and (reason := _divergence(row, iteration)):
                    self._failed[key.path] = reason
                    self.progress.note(f"{key}: {reason}")
                if key.path not in self._failed:
                    rows.append({ITERATION: iteration} | row)
            table.append(*rows)
        self._rows += len(found)
        self._pending = []

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _save(self) -> None:
        for table in self._tables:
            table.sync()
        StackCheckpoint(
            networks=[key.path for key in self._keys],
            training=self._training.state_dict(),
            rows=self._rows,
            seconds=self._seconds,
            initial=self._initial,
            failed=dict(self._failed),
            rewind_points={
                one.job.key.path: dict(one.job.ticket.rewind_point)
                for one in self.networks
                if one.job.key.round == 0 and one.job.ticket.rewind_point
            },
            kernels=self._record.all_sets,
        ).save(self.network.layout.stack)

    def _measured_at_end(self) -> list[dict[str, float]]:
        """What is not known of the trained networks from their last validation."""
        last = self._group.validations.follows(self._training.iteration)
        found = ({} if last else self._group.evaluate()) | {"train_accuracy": self._group.train_accuracy()}
        measured = {name: numbers(values) for name, values in found.items()}
        return [{name: values[index] for name, values in measured.items()} for index in range(len(self.networks))]

    def _finish(self, final: list[dict[str, float]]) -> list[Result]:
        results = []
        seconds = self._seconds / len(self.networks)
        model = self.network.model
        for index, one in enumerate(self.networks):
            if (path := one.job.key.path) not in self._failed and (
                reason := _divergence(final[index], self.network.iterations)
            ):
                self._failed[path] = reason
                self.progress.note(f"{one.job.key}: {reason}")
            if path in self._failed:
                continue
            state = self._group.state(index)
            if any(value.dtype == torch.float64 for value in state.values()):
                model.double()
            load_plain_state(model, state, "the trained weights")
            rows = read_metrics(self._files[index].metrics)
            if not rows:
                raise RunError(
                    f"{self._files[index].root}: no validation was measured; check trainer.val_check_interval"
                )
            notes: dict[str, Any] = {"stacked": len(self.networks)}
            if one.job.key.round == 0:
                notes[LAST_RATES] = self._rates()
            initial = self._initial.get(path, {})
            self.network.writer.write(one.job, one.share, rows, initial, final[index], seconds, self._record, **notes)
            results.append(self._told(one, rows))
        remove(self.network.layout.stack)
        self.progress.end(f"{len(results)} networks trained at once are finished")
        if self._failed:
            path, reason = next(iter(self._failed.items()))
            more = f", and {len(self._failed) - 1} more" if len(self._failed) > 1 else ""
            raise RunError(f"{self.network.layout.root / path}: {reason}{more}")
        return results

    def _rates(self) -> list[list[float]]:
        """The learning rates, which are the same in every iteration, because there are no schedulers."""
        assert isinstance(self.network.model, protocols.Stackable)
        parts = self.network.model.stackable()
        return [[float(group["lr"]) for group in parts.optimizer(parts.net.parameters()).param_groups]]

    def _told(self, one: Prepared, rows: Sequence[MetricsRow]) -> Result:
        """Log what was measured, now that W&B can be told of one network after the other."""
        key = one.job.key
        loggers = self.network.loggers.begin(key, one.share)
        for row in rows if loggers else ():
            values = {name: value for name, value in row.items() if name != ITERATION and not math.isnan(value)}
            for logger in loggers:
                logger.log_metrics(values, step=int(row[ITERATION]))
        result = read_result(self.network.layout.network(key))
        self.network.loggers.end(key, result)
        empty = collapsed(one.job.ticket.masks)
        self.progress.note(summary(key, result, self.network.model, collapsed=empty))
        return result


def _divergence(row: MetricsRow, iteration: int) -> str:
    """Why the training is given up; empty if it is not."""
    for name in ("train_loss", "val_loss"):
        if name in row and not math.isfinite(row[name]):
            return str(diverged(name, row[name], f"by iteration {iteration}"))
    return ""
