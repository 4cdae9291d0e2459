"""One network of a lottery, from its starting point to DONE."""

import io
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule

from app.common.files import make_directory, remove, write_atomically
from app.common.ranks import is_first, of_first
from app.common.states import plain_state
from app.lottery.finished_networks import LAST_RATES
from app.lottery.job import Job
from app.lottery.lottery_loggers import LotteryLoggers
from app.lottery.moments import Moments, checkpoint_at, moment_of
from app.lottery.network_files import NetworkWriter, read_result
from app.lottery.network_summary import summary
from app.lottery.settings import Pruning
from app.lottery.sparse import sparse_training
from app.pruning import collapsed, density, survivors, weight_sizes
from app.runs.best_validation import BestValidation
from app.runs.checkpoints import read_checkpoint, ticket_checkpoint
from app.runs.checksums import missing
from app.runs.layout import RunLayout, TrainingLayout
from app.runs.table import Result
from app.training.resume_point import resume_point
from app.training.trainer_factory import TrainerFactory
from app.training.training import Training
from callbacks import ExperimentProgress, LastLearningRates, ReportedProgress

# Callbacks of a training whose states at the rewind point are not those of a ticket.
AVERAGING = ("WeightAveraging", "EMAWeightAveraging", "StochasticWeightAveraging", "NTASGD")
CHECKPOINTS = ("ModelCheckpoint", "BestCheckpoint")
FRESH = (
    *(*AVERAGING, *CHECKPOINTS),
    *("MetricsRecorder", "InitialMetrics", "IterativePruningCallback", "RequiredMetric", "LastLearningRates"),
)


@dataclass(frozen=True, kw_only=True)
class NetworkTraining:
    """Trains the networks of one experiment, one at a time, each with a fresh Trainer.

    Args:
        model: the module that every job has put into its starting point.
        data: reseeded for every job.
        settings: what is pruned, and which weights are kept.
        layout: where everything is written.
        iterations: length of a training.
        rewind_iteration: the iteration that tickets are rewound to.
        best: which validation is the early stop.
        config: the whole configuration.
        threads: torch's, for the record.
        make_trainer: a fresh Trainer from the configuration.
        loggers: the loggers of the configuration, one run for each (replicate, method, branch).
        progress: one display for all.
        checkpoint_seconds: how often a training in progress is saved.
        stop: asked between iterations whether to stop.
    """

    model: LightningModule
    data: LightningDataModule
    settings: Pruning
    layout: RunLayout
    iterations: int
    rewind_iteration: int
    best: BestValidation
    config: Mapping[str, Any]
    threads: int
    make_trainer: TrainerFactory
    loggers: LotteryLoggers
    progress: ExperimentProgress | ReportedProgress
    checkpoint_seconds: float = 15.0
    stop: Callable[[], int] = bool

    @property
    def moments(self) -> Moments:
        """When its networks begin, and where the dense training is saved for them."""
        return Moments(
            settings=self.settings,
            layout=self.layout,
            iterations=self.iterations,
            rewind_iteration=self.rewind_iteration,
        )

    @property
    def writer(self) -> NetworkWriter:
        """Writes what is kept of a network; the model has its weights."""
        return NetworkWriter(
            model=self.model,
            data=self.data,
            settings=self.settings,
            layout=self.layout,
            moments=self.moments,
            best=self.best,
            threads=self.threads,
        )

    def __call__(self, job: Job) -> Result:
        """Train until the job's directory is finished.

        Raises:
            Interrupted: asked to stop; the checkpoint is up to date.
            RunError: the training diverged; what was written stays.
        """
        files = self.layout.network(job.key)
        make_directory(files.root)
        remove(files.done)
        share = density(weight_sizes(self.model), survivors(job.ticket.masks))
        rates = LastLearningRates() if job.key.round == 0 else None
        training = Training(
            model=self.model,
            data=self.data,
            files=files,
            label=str(job.key),
            iterations=self.iterations,
            seeds=job.seeds,
            config=self.config,
            best=self.best,
            make_trainer=self.make_trainer,
            loggers=self.loggers.begin(job.key, share),
            progress=self.progress,
            checkpoint_seconds=self.checkpoint_seconds,
            stop=self.stop,
            callbacks=[job.ticket, *([rates] if rates else []), *job.callbacks],
            density=share,
            keep_best="best" in self.settings.keep,
            measure_before=self.moments.begins_at(job.key),
            measure_at_end=True,
            snapshots=self.moments.snapshots(job.key),
            start=self._start(files, job),
        )
        with sparse_training(self.model, job.ticket.masks, self.settings.sparse):
            trained = training.run()
        if is_first():
            self.writer.write(
                job,
                share,
                trained.rows,
                trained.initial,
                trained.final,
                trained.seconds,
                trained.kernels,
                iterations=trained.iterations,
                complete=trained.complete,
                iterations_per_second=_rounded(trained.iterations_per_second),
                **({LAST_RATES: rates.rates} if rates else {}),
            )
        result = of_first(lambda: read_result(files))  # and the network is on disk
        self.loggers.end(job.key, result)
        empty = collapsed(job.ticket.masks)
        told = summary(job.key, result, self.model, complete=trained.complete, collapsed=empty)
        self.progress.end(told, trained.iterations)
        return result

    def _start(self, files: TrainingLayout, job: Job) -> Path | None:
        """The checkpoint that the training goes on from: its own or, for a ticket, that of the dense training."""
        point = resume_point(files)
        if point.damage and is_first():
            then = "goes on from the checkpoint before it" if point.path is not None else "is trained again"
            warnings.warn(f"{point.damage}; {job.key} {then}", stacklevel=2)
        if point.path is not None or self.moments.begins_at(job.key) == 0:
            return point.path
        saved = checkpoint_at(self.settings, self.layout, job.key.replicate, moment_of(self.settings, job.key))
        if not saved.exists():
            raise missing(saved)
        moment = read_checkpoint(saved)
        callbacks = {job.ticket.state_key: job.ticket.state_dict()}
        checkpoint = ticket_checkpoint(moment, plain_state(self.model), callbacks, fresh=FRESH)
        file = io.BytesIO()
        torch.save(checkpoint, file)
        write_atomically(files.last, file.getvalue())
        return files.last


def _rounded(speed: float) -> float | None:
    """A speed for a report; None, which JSON has, for nan, where a network was trained before it could be measured."""
    return None if math.isnan(speed) else round(speed, 2)
