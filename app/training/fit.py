"""One network trained by `fit`, in a run directory that the same command goes on with."""

import signal
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.loggers import Logger

from app.common import protocols
from app.common.errors import UserError
from app.common.files import remove_leftovers
from app.common.lines import print_line
from app.common.metrics import Schema
from app.common.ranks import is_first, of_first
from app.common.seeds import derive_seed
from app.common.signals import stop_on_signals
from app.common.used_kernels import kernels
from app.runs.best_validation import BestValidation, configured_best
from app.runs.checksums import check_file, read_checksums, record
from app.runs.config import claim
from app.runs.layout import FitLayout
from app.runs.lock import locked
from app.runs.provenance import sha256
from app.runs.recorded_data import claim_data
from app.runs.schema import write_schema
from app.runs.table import read_metrics
from app.training.first_rank import FirstRank
from app.training.fit_report import LENGTHS, is_finished, write_report
from app.training.length import resuming_note, training_iterations
from app.training.logger_runs import FitRun, finish
from app.training.requirements import check_monitor, check_training, check_validated
from app.training.resume_point import ResumePoint, resume_point
from app.training.trainer_factory import TrainerFactory
from app.training.training import Trained, Training
from callbacks import ExperimentProgress, ValidationNotes


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A training with a run directory.

    Args:
        model: what is trained.
        data: what it is trained on.
        layout: where everything is written.
        seed: of all random draws.
        threads: torch's, for the record.
        config: the whole configuration; its `best` says which validation best.ckpt is of.
        device: what it is trained on.
        precision: a Trainer's.
        world_size: processes that share the training.
        first: what the first of them decides.
        make_trainer: a fresh Trainer from the configuration.
        make_loggers: fresh loggers from the configuration.
        checkpoint_seconds: how often the training is saved.
        start: a checkpoint to begin from, where the run directory has none yet.
        requeue_on: the signal after which SLURM is to run the job again, if any.
    """

    model: LightningModule
    data: LightningDataModule
    layout: FitLayout
    seed: int
    threads: int
    config: dict[str, Any]
    device: torch.device
    precision: str
    world_size: int
    first: FirstRank
    make_trainer: TrainerFactory
    make_loggers: Callable[[], list[Logger]]
    checkpoint_seconds: float
    start: Path | None = None
    requeue_on: signal.Signals | None = None

    def run(self) -> None:
        """Train until the configured end, from wherever the run directory stands.

        Raises:
            UserError: the run directory belongs to another configuration, the training has no length, or nothing logs
                the metric that the best validation is chosen by.
            Interrupted: asked to stop; the checkpoint is up to date.
        """
        if is_first():
            with self.first.claiming():
                self._run_as_first()
        elif self.first.wait():
            self._train(self._prepare(), None)

    def _prepare(self) -> int:
        """Make the data ready, and check that the training can be done; returns its iterations."""
        protocols.reseed(self.data, split=self._seeds["split"], order=self._seeds["order"])
        self.data.prepare_data()
        self.data.setup("fit")
        arguments = self.config["trainer"]
        check_training(arguments, self.model, self.data, self.world_size)
        iterations = training_iterations(arguments, self.data, self.world_size)
        check_validated(arguments, self.data, iterations, self.world_size)
        return iterations

    def _run_as_first(self) -> None:
        finished, iterations = is_finished(self.layout, self.config), self._prepare()
        with locked(self.layout):
            remove_leftovers(self.layout.root)
            begun = self.layout.last.exists() or self.layout.best.exists()
            if not begun and self.world_size == 1:
                check_monitor(self._best, self.model, self.data, self.make_trainer)
            # Where nothing is left to train, nothing depends on this machine.
            claim(self.layout, self.config, free=LENGTHS, begun=begun, kernels=None if finished else self._kernels)
            claim_data(self.layout, protocols.checksums(self.data), begun=begun)
            point = self._resume_point()
            self.first.go(on=not finished)
            if finished:
                rows = read_metrics(self.layout.metrics)
                self._run_of(iterations).complete(self.make_loggers(), self._best.of(rows) if rows else {})
                print_line(self._summary())
                return
            before, trained, refused = self._remove_checksums(), None, False
            try:
                trained = self._train(iterations, point.path)
            except UserError:
                refused = True  # nothing was trained, and what the last training came to is still so
                raise
            finally:
                now = {path.name: sha256(path) for path in self._compared if path.exists()}
                # What a training that was stopped has changed may change again before it is stopped the next time.
                record(self.layout.root, now if trained is not None else dict(now.items() & before.items()))
                if not refused:
                    write_report(
                        self.layout,
                        self.config,
                        trained,
                        seed=self.seed,
                        threads=self.threads,
                        parameters=self._parameters,
                        kernels=self._kernels,
                        data=protocols.checksums(self.data),
                    )

    @property
    def _seeds(self) -> dict[str, int]:
        """Every draw has its own: what the data draws does not depend on what the network drew."""
        return {purpose: derive_seed(self.seed, 0, purpose) for purpose in ("split", "order", "training")}

    @property
    def _kernels(self) -> dict[str, str]:
        return kernels(self.model, self.device, self.precision)

    @property
    def _compared(self) -> tuple[Path, ...]:
        return self.layout.last, self.layout.best, self.layout.metrics

    def _compare_files(self) -> None:
        """Compare what the training goes on from with its checksums, where there are any."""
        if self.layout.last.exists():  # else the training begins again
            for path in self._compared:
                check_file(path)

    def _remove_checksums(self) -> dict[str, Any]:
        """Remove the checksums of what the training goes on from: it will change.

        Returns:
            The checksums.
        """
        names = [path.name for path in self._compared]
        before = {name: checksum for name, checksum in read_checksums(self.layout.root).items() if name in names}
        record(self.layout.root, dict.fromkeys(names))
        return before

    def _train(self, iterations: int, start: Path | None) -> Trained:
        start = of_first(lambda: start)
        logged = self._run_of(iterations)
        loggers = logged.begin(self.make_loggers())
        declared = protocols.metric_schema(self.model)
        if is_first():
            write_schema(self.layout, declared or ())
        overview = None if declared is None else Schema(metric for metric in declared if not metric.detail)
        with stop_on_signals(self.requeue_on) as stop, ExperimentProgress(iterations) as progress:
            progress.note(f"{self.layout.root}: {self._parameters:,} parameters, seed {self.seed}")
            if note := resuming_note(self.data):
                progress.note(note)
            training = Training(
                model=self.model,
                data=self.data,
                files=self.layout,
                label=self.layout.name,
                iterations=iterations,
                seeds=self._seeds,
                config=self.config,
                best=self._best,
                make_trainer=self.make_trainer,
                loggers=loggers,
                progress=progress,
                checkpoint_seconds=self.checkpoint_seconds,
                stop=stop,
                last=[ValidationNotes(progress, overview)],
                keep_best=True,
                keep_last=True,
                start=start or self.start,
            )
            try:
                trained = training.run()
                if is_first():
                    logged.end(loggers, self._best.of(trained.rows))
            finally:
                finish(loggers)
            stopped = "" if trained.complete else f" (stopped early, at iteration {trained.iterations:,})"
            progress.end(f"{self._summary()}{stopped}", trained.iterations)
            return trained

    def _run_of(self, iterations: int) -> FitRun:
        """What loggers are told of the training."""
        return FitRun(
            layout=self.layout,
            model=self.model,
            data=self.data,
            seeds=self._seeds,
            config=self.config,
            iterations=iterations,
        )

    @property
    def _best(self) -> BestValidation:
        return configured_best(self.config)

    @property
    def _parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    def _resume_point(self) -> ResumePoint:
        """Where the training goes on.

        Raises:
            UserError: nothing whole is there to go on from, or the training is past the length that is asked for.
        """
        self._compare_files()
        point = resume_point(self.layout)
        if point.damage and point.path is None:
            raise UserError(f"{point.damage}; there is nothing else to go on from: {point.mend}")
        if point.damage and is_first():
            warnings.warn(f"{point.damage}; the training goes on from the checkpoint before it", stacklevel=2)
        for name, done in (("max_epochs", point.epoch), ("max_steps", point.iteration)):
            end = self.config["trainer"][name]
            if end is not None and 0 <= end < done:
                raise UserError(
                    f"{self.layout.root} is past trainer.{name} {end} (at {done}); make it longer, or choose another "
                    "--experiment"
                )
        return point

    def _summary(self) -> str:
        rows = read_metrics(self.layout.metrics)
        if not rows:
            return f"{self.layout.name}: done"
        best, schema = self._best.of(rows), Schema(protocols.metric_schema(self.model) or ())
        told = {name: value for name, value in best.items() if name != "iteration" and not schema[name].detail}
        return f"{self.layout.name}: best at iteration {best['iteration']:,}: {schema.write(told)}"
