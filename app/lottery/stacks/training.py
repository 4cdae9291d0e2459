"""Trains several networks of a lottery at once, each with the files that it would have had alone."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from app.common import protocols
from app.common.errors import Interrupted, RunError
from app.common.files import make_directory, remove
from app.common.states import load_plain_state, plain_name, plain_state
from app.lottery.network import Job, NetworkTraining, read_result
from app.lottery.stacks.checkpoint import StackCheckpoint
from app.lottery.stacks.data import Gathered, StackData, gather
from app.lottery.stacks.validations import Validations
from app.pruning import density, survivors, weight_sizes
from app.runs.table import ITERATION, MetricsFile, MetricsRow, Result, read_metrics
from app.stacked import (
    Clipping,
    EvaluationSet,
    Means,
    Orders,
    StackedTraining,
    check_stackable,
    evaluate,
    stack,
)
from callbacks import ExperimentProgress

PARTS = ("val", "test")
SHOWN_SECONDS = 1.0  # how often rows are written: each time the device is waited for


class Prepared(NamedTuple):
    """A network in its starting point.

    Args:
        job: what is trained.
        state: of the whole module, masked.
        share: of weights remaining.
    """

    job: Job
    state: dict[str, Tensor]
    share: float


def prepared(model: LightningModule, job: Job) -> Prepared:
    """A job whose starting point the module has."""
    return Prepared(job, plain_state(model), density(weight_sizes(model), survivors(job.ticket.masks)))


@dataclass(kw_only=True)
class StackTraining:
    """Trains some networks from one iteration to the end.

    Args:
        network: trains networks alone; has all that both need.
        progress: where it is shown.
        device: where they are trained.
        precision: the Trainer's.
        arguments: of the Trainer, in the configuration.
        networks: what is trained; networks of a replicate stand beside each other.
        gathered: data of earlier groups.
        begin: the iteration that they begin at.
    """

    network: NetworkTraining
    progress: ExperimentProgress
    device: torch.device
    precision: str
    arguments: dict[str, Any]
    networks: Sequence[Prepared]
    gathered: Gathered
    begin: int = 0
    _pending: list[tuple[int, dict[str, Tensor]]] = field(default_factory=list)
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
        parts = parts_of(self.network.model)
        self._names = {plain_name(name): name for name, _ in parts.net.named_parameters()}
        self._prefix = parts.prefix
        data = gather(self.network.data, [one.job for one in self.networks], self.gathered)
        self._training = self._make(parts, data)
        self._sets = [self._evaluation_sets(data, part) for part in PARTS]
        self._validations = Validations.configured(self.arguments, self._training.orders.batches)
        names = [metric.name for metric in protocols.metric_schema(self.network.model) or ()]
        self._tables = [MetricsFile(files.metrics, names) for files in self._files]
        self._resume(checkpoint)
        self._train()
        final = self._measured_at_end(data)
        return self._finish(final)

    def _make(self, parts: protocols.StackableParts, data: StackData) -> StackedTraining:
        dtype = torch.float64 if self.precision == "64-true" else torch.float32
        own = [self._own(one.state) for one in self.networks]
        many = stack(
            parts.net,
            [
                {name: value.to(dtype) if value.is_floating_point() else value for name, value in state.items()}
                for state in own
            ],
        )
        check_stackable(many, data.images[:1].to(dtype))
        masks = [self._own(one.job.ticket.masks) for one in self.networks]
        seeds = [one.job.seeds["order"] for one in self.networks]
        value, algorithm = self.arguments.get("gradient_clip_val"), self.arguments.get("gradient_clip_algorithm")
        return StackedTraining(
            many,
            many.layout.pack(own, dtype=dtype),
            many.layout.pack(masks, dtype=torch.bool, fill=True),
            parts.optimizer,
            data.images.to(dtype),
            data.labels,
            Orders([rows["train"] for rows in data.rows], seeds, data.batch_size),
            device=self.device,
            clipping=Clipping(float(value), algorithm or "norm") if value else None,
        )

    def _own(self, state: Any) -> dict[str, Tensor]:
        """What a state has of the net, by the net's names."""
        net = parts_of(self.network.model).net
        names = [*(name for name, _ in net.named_parameters()), *(name for name, _ in net.named_buffers())]
        found = {name: f"{self._prefix}{plain_name(name)}" for name in names}
        return {name: state[whole] for name, whole in found.items() if whole in state}

    def _state(self, number: int) -> dict[str, Tensor]:
        """The state of the whole module of one network, now."""
        training = self._training
        views = training.networks.layout.views(training.flat.detach()[number : number + 1])
        found = {name: view[0] for name, view in views.items()}
        found |= {name: buffer[number] for name, buffer in training.networks.buffers.items()}
        now = {f"{self._prefix}{plain_name(name)}": value.detach().cpu().clone() for name, value in found.items()}
        return {name: now.get(name, value) for name, value in self.networks[number].state.items()}

    def _evaluation_sets(self, data: StackData, part: str) -> list[EvaluationSet]:
        training = self._training
        found = []
        for rows, networks in data.groups(part):
            where = rows.to(self.device)
            found.append(EvaluationSet(training.images[where], training.labels[where], networks))
        return found

    def _resume(self, checkpoint: StackCheckpoint | None) -> None:
        if checkpoint is None:
            self._training.iteration, self._rows = self.begin, 0
        else:
            self._training.load_state_dict(checkpoint.training)
            self._rows, self._failed = checkpoint.rows, dict(checkpoint.failed)
            for one in self.networks:
                if one.job.key.path in checkpoint.rewind_points:
                    one.job.ticket.rewind_point = checkpoint.rewind_points[one.job.key.path]
        for key, table in zip(self._keys, self._tables, strict=True):
            if key.path not in self._failed:  # else no more rows were added
                table.cut(self._rows)
        count = len(self.networks)
        label = f"{count} networks at once, {self._keys[0]}" + (f" to {self._keys[-1]}" if count > 1 else "")
        self.progress.begin(label, None, self.network.iterations * count)
        self.progress.reach(self._training.iteration * count, resumed=True)

    def _train(self) -> None:
        training, end = self._training, self.network.iterations
        self._saved = self._shown = time.monotonic()
        if training.iteration == 0 and self._rows == 0:
            self._record_rewind_point()
            self._validate()
        while training.iteration < end:
            following = self._validations.next(training.iteration, end)
            if training.iteration < self.network.rewind_iteration < following:
                following = self.network.rewind_iteration
            training.advance(following - training.iteration)
            self._record_rewind_point()
            if self._validations.follows(training.iteration):
                self._validate()
            self._look_up()
        self._write_rows()

    def _validate(self) -> None:
        """Measure on the device, without waiting for it."""
        training = self._training
        found = {"train": training.means()} if training.iteration else {}
        found |= {part: self._evaluate(sets) for part, sets in zip(PARTS, self._sets, strict=True)}
        self._pending.append((training.iteration, _by_name(found)))
        training.reset_means()

    def _evaluate(self, sets: Sequence[EvaluationSet]) -> Means:
        return evaluate(self._training.networks, self._training.flat.detach(), sets)

    def _record_rewind_point(self) -> None:
        if self._training.iteration != self.network.rewind_iteration:
            return
        for index, one in enumerate(self.networks):
            if one.job.key.round == 0:
                one.job.ticket.rewind_point = self._state(index)

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
            (iteration, {name: _numbers(values) for name, values in measured.items()})
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
            failed=dict(self._failed),
            rewind_points={
                one.job.key.path: dict(one.job.ticket.rewind_point)
                for one in self.networks
                if one.job.key.round == 0 and one.job.ticket.rewind_point
            },
        ).save(self.network.layout.stack)

    def _measured_at_end(self, data: StackData) -> list[dict[str, float]]:
        """What is not known of the trained networks from their last validation."""
        found: dict[str, Means] = {}
        if not self._validations.follows(self._training.iteration):
            found = {part: self._evaluate(sets) for part, sets in zip(PARTS, self._sets, strict=True)}
        accuracies = torch.cat([self._evaluate_part(rows, networks) for rows, networks in data.groups("train")])
        measured = {
            name: _numbers(values) for name, values in (_by_name(found) | {"train_accuracy": accuracies}).items()
        }
        return [{name: values[index] for name, values in measured.items()} for index in range(len(self.networks))]

    def _evaluate_part(self, rows: Tensor, networks: range) -> Tensor:
        """The accuracy of some networks on their own rows; one after the other, as they take memory."""
        training, where = self._training, rows.to(self.device)
        images = EvaluationSet(training.images[where], training.labels[where], networks)
        return self._evaluate([images]).accuracy[networks.start : networks.stop]

    def _finish(self, final: list[dict[str, float]]) -> list[Result]:
        results = []
        seconds = self._seconds / len(self.networks)
        model = self.network.model
        for index, one in enumerate(self.networks):
            if one.job.key.path in self._failed:
                continue
            state = self._state(index)
            if any(value.dtype == torch.float64 for value in state.values()):
                model.double()
            load_plain_state(model, state, "the trained weights")
            rows = read_metrics(self._files[index].metrics)
            if not rows:
                raise RunError(
                    f"{self._files[index].root}: no validation was measured; check trainer.val_check_interval"
                )
            self.network.write(one.job, one.share, rows, final[index], seconds, self.device, stacked=len(self.networks))
            results.append(self._told(one, rows))
        self.network.layout.stack.unlink(missing_ok=True)
        self.progress.end(f"{len(results)} networks trained at once are finished")
        if self._failed:
            path, reason = next(iter(self._failed.items()))
            more = f", and {len(self._failed) - 1} more" if len(self._failed) > 1 else ""
            raise RunError(f"{self.network.layout.root / path}: {reason}{more}")
        return results

    def _told(self, one: Prepared, rows: Sequence[MetricsRow]) -> Result:
        """Log what was measured, now that W&B can be told of one network after the other."""
        key = one.job.key
        loggers = self.network.loggers.begin(key, one.share, self.network.iterations)
        for row in rows if loggers else ():
            values = {name: value for name, value in row.items() if name != ITERATION and not math.isnan(value)}
            for logger in loggers:
                logger.log_metrics(values, step=int(row[ITERATION]))
        result = read_result(self.network.layout.network(key))
        self.network.loggers.end(result)
        self.progress.note(self.network.summary(key, result))
        return result


def parts_of(model: LightningModule) -> protocols.StackableParts:
    """What is trained of a module that was checked."""
    assert isinstance(model, protocols.Stackable)
    return model.stackable()


def _by_name(found: dict[str, Means]) -> dict[str, Tensor]:
    """By the names of a Classifier's metrics, in the precision that it logs them in."""
    measured = {}
    for part, means in found.items():
        measured[f"{part}_loss"] = means.loss
        measured[f"{part}_accuracy"] = means.accuracy if part == "train" else means.accuracy.float()
    return measured


def _numbers(values: Tensor) -> list[float]:
    """Each as the shortest decimal that rounds to it, as `number` does."""
    array = values.cpu().numpy()
    return [float(value) for value in (array if values.dtype == torch.float64 else map(str, array))]


def _divergence(row: MetricsRow, iteration: int) -> str:
    """Why the training is given up; empty if it is not."""
    for name in ("train_loss", "val_loss"):
        if name in row and not math.isfinite(row[name]):
            return f"{name} is {row[name]} by iteration {iteration}: the training diverged; try a lower learning rate"
    return ""
