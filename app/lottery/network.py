"""One network of a lottery, from its starting point to DONE."""

import io
import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule
from torch import Tensor

from app.common import protocols
from app.common.files import make_directory, remove, sync, write_atomically
from app.common.ranks import is_first
from app.common.states import plain_state
from app.lottery.finished_networks import LAST_RATES
from app.lottery.lottery_loggers import LotteryLoggers
from app.lottery.moments import checkpoint_at, iteration_at, later_moments, moment_of
from app.lottery.network_summary import summary
from app.lottery.settings import Pruning
from app.pruning import When, collapsed, density, masked, survivors, weight_sizes
from app.runs.best_validation import BestValidation
from app.runs.checkpoints import read_checkpoint, ticket_checkpoint
from app.runs.checksums import check_file, missing, record
from app.runs.layout import NetworkKey, RunLayout, TrainingLayout, run_of
from app.runs.network_report import damaged_report, read_report
from app.runs.provenance import sha256, versions
from app.runs.source_ticket import ticket_checksums
from app.runs.table import EARLY_STOP, FINAL, ITERATION, MetricsFile, MetricsRow, Result
from app.runs.tensors import digest, save_tensors
from app.training.kernel_record import KernelRecord
from app.training.resume_point import resume_point
from app.training.trainer_factory import TrainerFactory
from app.training.training import Training
from callbacks import ExperimentProgress, IterativePruningCallback, LastLearningRates, ReportedProgress

# Callbacks of a training whose states at the rewind point are not those of a ticket.
AVERAGING = ("WeightAveraging", "EMAWeightAveraging", "StochasticWeightAveraging", "NTASGD")
CHECKPOINTS = ("ModelCheckpoint", "BestCheckpoint")
FRESH = (
    *(*AVERAGING, *CHECKPOINTS),
    *("MetricsRecorder", "InitialMetrics", "IterativePruningCallback", "RequiredMetric", "LastLearningRates"),
)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A network to train.

    Args:
        key: which one.
        start: the state that it begins with, before masking; the model has it, masked.
        ticket: the callback that holds its masks.
        seeds: of its random draws, by purpose.
        callbacks: what its method adds to the training.
        source: the ticket of another run directory that it is made from, if any.
    """

    key: NetworkKey
    start: Mapping[str, Tensor]
    ticket: IterativePruningCallback
    seeds: dict[str, int]
    callbacks: Sequence[Callback] = ()
    source: TrainingLayout | None = None


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
    stop: Callable[[], bool] = bool

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
            loggers=self.loggers.begin(job.key, share, self.iterations),
            progress=self.progress,
            checkpoint_seconds=self.checkpoint_seconds,
            stop=self.stop,
            callbacks=[job.ticket, *([rates] if rates else []), *job.callbacks],
            density=share,
            keep_best="best" in self.settings.keep,
            measure_before=self.begins_at(job.key),
            measure_at_end=True,
            snapshots=self.snapshots(job.key),
            start=self._start(files, job),
        )
        trained = training.run()
        if is_first():
            self.write(
                job,
                share,
                trained.rows,
                trained.initial,
                trained.final,
                trained.seconds,
                trained.kernels,
                iterations=trained.iterations,
                complete=trained.complete,
                **({LAST_RATES: rates.rates} if rates else {}),
            )
        trained.trainer.strategy.barrier("the network is on disk")
        result = read_result(files)
        self.loggers.end(result)
        empty = collapsed(job.ticket.masks)
        self.progress.end(summary(job.key, result, self.model, complete=trained.complete, collapsed=empty))
        return result

    def write(
        self,
        job: Job,
        share: float,
        rows: Sequence[MetricsRow],
        initial: Mapping[str, float],
        final: Mapping[str, float],
        seconds: float,
        kernels: KernelRecord,
        *,
        iterations: int | None = None,
        **notes: Any,
    ) -> None:
        """Write everything of a network that is trained; the model has its weights.

        Args:
            job: the network.
            share: of weights remaining.
            rows: of its validations.
            initial: what was measured before the training.
            final: what was measured at the end besides.
            seconds: that it took.
            kernels: that it was computed with.
            iterations: where it ended, if that is not the full length.
            notes: for its report.
        """
        files, trained = self.layout.network(job.key), self.iterations if iterations is None else iterations
        rows = self._with_end(files, rows, final, trained)
        result = self._result(job.key, share, rows, initial, final, seconds, trained)
        self._write(files, job, result, {"complete": True, **notes, **kernels.in_report()})

    def _with_end(
        self, files: TrainingLayout, rows: Sequence[MetricsRow], final: Mapping[str, float], iterations: int
    ) -> Sequence[MetricsRow]:
        """The rows of the validations and of the end, which is added to metrics.csv where it is none of them.

        Without it the early stop of a training whose last validation came long before its end would be that.
        """
        names = [name for name in rows[0] if name != ITERATION]
        measured = {name: final[name] for name in names if name in final and not name.startswith("train")}
        if rows[-1][ITERATION] >= iterations or self.best.monitor not in measured:
            return rows
        row = {ITERATION: iterations, **dict.fromkeys(names, math.nan), **measured}
        MetricsFile(files.metrics, names).append(row)
        return [*rows, row]

    def begins_at(self, key: NetworkKey) -> int:
        """The iteration of the dense training that a network trains on from; 0 where it trains the full length."""
        return self._iteration(moment_of(self.settings, key))

    def _iteration(self, moment: When) -> int:
        return iteration_at(self.settings, moment, iterations=self.iterations, rewind_iteration=self.rewind_iteration)

    def snapshots(self, key: NetworkKey) -> dict[Path, int]:
        """Where the dense training is saved, for networks that train on from there, and after which iterations."""
        if key.round > 0:
            return {}
        return {
            checkpoint_at(self.settings, self.layout, key.replicate, moment): self._iteration(moment)
            for moment in later_moments(self.settings)
        }

    def _start(self, files: TrainingLayout, job: Job) -> Path | None:
        """The checkpoint that the training goes on from: its own or, for a ticket, that of the dense training."""
        point = resume_point(files)
        if point.damage and is_first():
            then = "goes on from the checkpoint before it" if point.path is not None else "is trained again"
            warnings.warn(f"{point.damage}; {job.key} {then}", stacklevel=2)
        if point.path is not None or self.begins_at(job.key) == 0:
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

    def _result(
        self,
        key: NetworkKey,
        share: float,
        rows: Sequence[MetricsRow],
        initial: Mapping[str, float],
        final: Mapping[str, float],
        seconds: float,
        iterations: int,
    ) -> Result:
        best, last = self.best.of(rows), {**rows[-1], **final}
        values = {f"{EARLY_STOP}{name}": value for name, value in best.items() if name != ITERATION}
        values |= {f"{FINAL}{name}": value for name, value in last.items() if name != ITERATION}
        values |= initial
        return Result(
            experiment=self.layout.name,
            replicate=key.replicate,
            method=key.method,
            round=key.round,
            branch=key.branch,
            density=share,
            early_stop_iteration=int(best[ITERATION]),
            values=values,
            iterations=iterations,
            seconds=round(seconds, 2),
        )

    def _write(self, files: TrainingLayout, job: Job, result: Result, notes: Mapping[str, Any]) -> None:
        """Everything of a finished network; DONE last, so that without it nothing else counts."""
        sync(files.metrics)
        final, masks = plain_state(self.model), job.ticket.masks
        save_tensors(files.mask, masks)
        # The networks after these are made from their trained weights.
        if "final" in self.settings.keep or not job.key.of or self.settings.method(job.key).continues(job.key):
            save_tensors(files.final, final)
        if "start" in self.settings.keep:
            start = masked(job.start, masks)
            save_tensors(files.start, start)
            record(files.root, {files.start.name: digest(start)})
        if "best" in self.settings.keep:
            record(files.root, {files.best.name: sha256(files.best)})
        if job.key.round == 0:
            self._write_rewind_point(job)
        report = self._report(job, result) | {
            **notes,
            "checksums": self._checksums(files, job, final),
        }
        write_atomically(files.report, json.dumps(report, indent=2) + "\n")
        write_atomically(files.done, "")
        files.last.unlink(missing_ok=True)
        files.previous.unlink(missing_ok=True)

    def _write_rewind_point(self, job: Job) -> None:
        replicate, point = job.key.replicate, job.ticket.rewind_point
        checksums = {path.name: sha256(path) if path.exists() else None for path in self.snapshots(job.key)}
        if When.parse(self.settings.rewind_to).count > 0:
            weights = self.layout.rewind_weights(replicate)
            save_tensors(weights, point)
            checksums[weights.name] = digest(point)
            checksums.setdefault(self.layout.rewind_checkpoint(replicate).name, None)  # of an earlier configuration
        record(self.layout.replicate(replicate), checksums)

    def _report(self, job: Job, result: Result) -> dict[str, Any]:
        sizes, kinds = weight_sizes(self.model), protocols.prunable_parameters(self.model)
        counts = survivors(job.ticket.masks)
        return {
            "result": result.flat(),
            "collapsed": collapsed(job.ticket.masks),
            "density": result.density,
            "density_prunable": density({name: sizes[name] for name in kinds}, counts),
            "layers": {
                name: {"kind": kinds.get(name), "weights": size, "survivors": counts.get(name, size)}
                for name, size in sizes.items()
            },
            "iterations": result.iterations,
            "began_at": self.begins_at(job.key),
            "seeds": job.seeds,
            "versions": versions(),
            "threads": self.threads,
        } | ({"source": _source(job.source)} if job.source is not None else {})

    def _checksums(self, files: TrainingLayout, job: Job, final: dict[str, Tensor]) -> dict[str, Any]:
        return {
            "data": protocols.checksums(self.data),
            "metrics.csv": sha256(files.metrics),
            "mask": digest(job.ticket.masks),
            "start": digest(job.start),
            "final": digest(final),
        }


def _source(files: TrainingLayout) -> dict[str, str]:
    """The ticket of another run directory, for the report of the network that is made from it."""
    return {"ticket": str(files.root), **ticket_checksums(files)}


def read_result(files: TrainingLayout) -> Result:
    """The row of a finished network.

    Raises:
        UserError: its report or its metrics are missing or damaged.
    """
    report = read_report(files)
    check_file(files.metrics)
    try:
        result = Result.from_flat(report["result"])
    except (ValueError, OverflowError, KeyError, TypeError, AttributeError) as error:
        raise damaged_report(files, error) from None
    run = run_of(files.root)
    if run is not None and NetworkKey.of_path(files.root.resolve().relative_to(run.root).as_posix()) != result.key:
        raise damaged_report(files, ValueError(f"it is of {result.key}"))
    return result
