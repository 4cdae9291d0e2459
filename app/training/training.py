"""One network, trained in a directory: what `fit` and every network of a lottery share."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.io import TorchCheckpointIO

from app.common import protocols
from app.common.errors import RunError
from app.common.files import remove
from app.common.metrics import Metric, Schema
from app.common.quiet_iterations import train_quietly
from app.common.ranks import is_first
from app.common.used_kernels import kernels
from app.runs.best_validation import BestValidation
from app.runs.layout import TrainingLayout
from app.runs.table import ITERATION, MetricsFile, MetricsRow, read_metrics
from app.training.best_checkpoint import BestCheckpoint
from app.training.described_checkpoint import describe_in_plain_names, loading_plain_names
from app.training.kernel_record import KernelRecord
from app.training.library_errors import library_errors_named
from app.training.measure import measure
from app.training.quiet import Quiet
from app.training.run_checkpoint_io import RunCheckpointIO
from app.training.trainer_factory import TrainerFactory
from callbacks import (
    BatchShares,
    ExperimentProgress,
    FinalMetrics,
    InitialMetrics,
    MetricsRecorder,
    ReportedProgress,
    RequiredMetric,
    ResumeCheckpoint,
    SameKernels,
    StopOnNonFinite,
)
from callbacks.stop_on_non_finite import diverged
from callbacks.trainer_state import reached_its_end


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What came of a training.

    Args:
        rows: one per validation.
        initial: metrics measured before it.
        final: metrics measured when it had ended.
        seconds: over all processes that worked on it.
        iterations: where it ended.
        iterations_per_second: its speed, validations aside.
        complete: whether it had its full length; otherwise a callback or the clock has stopped it.
        kernels: what it was computed with.
        trainer: that it ended with.
    """

    rows: list[MetricsRow]
    initial: dict[str, float]
    final: dict[str, float]
    seconds: float
    iterations: int
    iterations_per_second: float
    complete: bool
    kernels: KernelRecord
    trainer: Trainer


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training in a directory.

    Args:
        model: the module, in its starting point.
        data: what it is trained on; prepared.
        files: the directory.
        label: what progress calls it.
        iterations: its length, for the progress.
        seeds: of its random draws: "split", "order" and "training".
        config: the whole configuration, written into checkpoints.
        best: which validation is the best.
        make_trainer: a fresh Trainer from the configuration.
        loggers: those of the configuration.
        progress: where it is shown.
        checkpoint_seconds: how often it is saved.
        stop: asked between iterations whether to stop.
        arguments: of the Trainer, in place of the configuration's.
        callbacks: besides those that every training has.
        last: callbacks behind all others, those that Lightning puts last included, but before what saves.
        density: share of weights remaining, where progress is to show it.
        keep_best: keep the checkpoint of the best validation.
        keep_last: save the end of the training too, so that a longer one can go on from it.
        measure_before: measure the metrics that the module has before its training, which begins at this iteration;
            none where it is left out.
        measure_at_end: when training has ended, measure the validation metrics of the trained network, and its test
            metrics where no validation does.
        snapshots: paths of further checkpoints, each with the iteration after which it is made.
        start: the checkpoint that it goes on from, such as its own last.ckpt.
    """

    model: LightningModule
    data: LightningDataModule
    files: TrainingLayout
    label: str
    iterations: int
    seeds: Mapping[str, int]
    config: Mapping[str, Any]
    best: BestValidation
    make_trainer: TrainerFactory
    loggers: list[Logger]
    progress: ExperimentProgress | ReportedProgress
    checkpoint_seconds: float = 15.0
    stop: Callable[[], int] = bool
    arguments: Mapping[str, Any] = field(default_factory=dict)
    callbacks: Sequence[Callback] = ()
    last: Sequence[Callback] = ()
    density: float | None = None
    keep_best: bool = False
    keep_last: bool = False
    measure_before: int | None = None
    measure_at_end: bool = False
    snapshots: Mapping[Path, int] = field(default_factory=dict)
    start: Path | None = None

    def run(self) -> Trained:
        """Train until the end.

        Raises:
            UserError: the metric that the best validation is chosen by is not logged, or a checkpoint does not fit.
            Interrupted: asked to stop; the checkpoint is up to date.
            RunError: the training diverged, or no validation was measured or has a value of the metric that decides;
                what was written stays.
        """
        protocols.reseed(self.data, split=self.seeds["split"], order=self.seeds["order"])
        trainer = self._trainer()
        schema = self.schema(trainer)
        names = [metric.name for metric in schema] if schema is not None else None
        declared = {metric.name for metric in protocols.metric_schema(self.model) or ()}
        if names is not None:
            self.best.check(names)
        self.best.check_direction(Schema(schema or ()))
        table = MetricsFile(self.files.metrics, names or ())
        recorder = MetricsRecorder(table, names)
        final = [FinalMetrics()] if isinstance(self.model, protocols.FinallyMeasured) else []
        initial = self._initial_metrics()
        present: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        if self.best.monitor in (names or ()) and self.best.monitor not in declared:
            # A callback may log it now and then.
            present[:] = [each for each in present if not isinstance(each, RequiredMetric)]
        # Behind all others, those that Lightning puts last included: what they do at a validation is to be saved.
        record = KernelRecord(kernels(self.model, trainer.strategy.root_device, str(trainer.precision)))
        shared: list[Callback] = []
        if trainer.world_size > 1:
            shared = [SameKernels(record.now, allowed=self._may_differ), BatchShares()]
        present += [*shared, recorder, *self.last, *initial, *final, self._resume_checkpoint(record)]
        if trainer.precision == "64-true":
            self.model.double()  # Lightning loads a checkpoint first, and would round its weights
        seed_everything(self.seeds["training"], workers=True, verbose=False)
        self.model.train()
        self.progress.begin(self.label, self.density, self.iterations)
        with loading_plain_names(self.model), library_errors_named():
            trainer.fit(self.model, datamodule=self.data, ckpt_path=self.start)
        iterations, complete = trainer.global_step, reached_its_end(trainer)
        if iterations == 0:
            raise RunError(f"{self.files.root}: nothing was trained; something stops the training before it begins")
        if is_first():
            self._settle(table)
        rows = read_metrics(self.files.metrics) if is_first() else []
        if is_first() and not rows:
            raise RunError(
                f"{self.files.root}: no validation was measured; check trainer.limit_val_batches and the data"
            )
        if is_first() and all(math.isnan(row.get(self.best.monitor, math.nan)) for row in rows):
            raise RunError(
                f"{self.files.root}: {self.best.monitor}, which decides on the best validation, is nan in all"
            )
        measured = final[0].values if final else {}
        if self.measure_at_end:
            measured = self._measured_at_end(iterations) | measured
            self._keep_best_of_end(trainer, rows, measured, iterations)
        return Trained(
            rows=rows,
            initial=initial[0].values if initial else {},
            final=measured,
            seconds=recorder.seconds,
            iterations=iterations,
            iterations_per_second=recorder.iterations_per_second(iterations),
            complete=complete,
            kernels=record,
            trainer=trainer,
        )

    def _settle(self, table: MetricsFile) -> None:
        """Make the rows permanent, and delete what was kept in case a checkpoint is damaged."""
        if self.files.metrics.exists():
            table.sync()
        remove(self.files.previous)

    def schema(self, trainer: Trainer) -> list[Metric] | None:
        """The metrics that the module and the callbacks declare; None where the module declares none."""
        declared = protocols.metric_schema(self.model)
        if declared is None:
            return None
        present: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        more = [callback.metric_schema(self.model) for callback in present if hasattr(callback, "metric_schema")]
        # What is only recorded stands behind what callbacks measure.
        overview = [metric for metric in declared if not metric.detail]
        details = [metric for metric in declared if metric.detail]
        return [*overview, *(metric for metrics in more for metric in metrics), *details]

    def _trainer(self) -> Trainer:
        # Few: each costs time in every iteration, whatever it does.
        declared = Schema(protocols.metric_schema(self.model) or ())
        required = RequiredMetric(self.best.monitor, declared=self.best.monitor in declared)
        callbacks = [*self.callbacks, StopOnNonFinite(), self.progress, required]
        arguments = dict(self.arguments)
        if self.keep_best:
            arguments["enable_checkpointing"] = True
            callbacks.append(BestCheckpoint(self.files, self.best))
        trainer = self.make_trainer(self.files.root, callbacks, self.loggers, **arguments)
        train_quietly(trainer, Quiet().prepare)
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:  # the user has not asked for another
            trainer.strategy.checkpoint_io = RunCheckpointIO()
        return trainer

    def _initial_metrics(self) -> list[InitialMetrics]:
        wanted = self.measure_before is not None and isinstance(self.model, protocols.InitiallyMeasured)
        return [InitialMetrics(self.measure_before or 0)] if wanted else []

    @property
    def _may_differ(self) -> bool:
        return bool(self.config.get("allow_other_kernels"))

    def _resume_checkpoint(self, record: KernelRecord) -> ResumeCheckpoint:
        def describe(checkpoint: dict[str, Any]) -> None:
            describe_in_plain_names(checkpoint, self.config)
            record.write(checkpoint)

        return ResumeCheckpoint(
            self.files.last,
            previous=self.files.previous,
            every_seconds=self.checkpoint_seconds,
            stop=self.stop,
            keep=self.keep_last,
            snapshots=self.snapshots,
            describe=describe,
            restore=record.read,
        )

    def _keep_best_of_end(
        self, trainer: Trainer, rows: list[MetricsRow], measured: Mapping[str, float], iterations: int
    ) -> None:
        """Save best.ckpt, where it is kept, of an end that no validation has measured and that is better than all."""
        end = {ITERATION: iterations, self.best.monitor: measured.get(self.best.monitor, math.nan)}
        better = bool(rows) and rows[-1][ITERATION] < iterations and self.best.of([*rows, end]) is end
        if self.keep_best and trainer.strategy.broadcast(better):
            trainer.save_checkpoint(self.files.best)

    def _measured_at_end(self, iterations: int) -> dict[str, float]:
        """What the trained network has: the last validation may have come earlier, or callbacks changed the weights."""
        found = measure(
            self.model, self.data, self.make_trainer, self.files.root, self.arguments, logs=bool(self.loggers)
        )
        losses = {"val_loss", *([self.best.monitor] if self.best.mode == "min" else [])}
        for name in sorted(losses & found.keys()):
            if not math.isfinite(found[name]):
                raise diverged(name, found[name], f"at the end, iteration {iterations:,}")
        return found
