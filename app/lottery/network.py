"""One network of a lottery, from its starting point to DONE."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from lightning.pytorch import LightningModule, seed_everything
from torch import Tensor

from app import pruning
from app.common.errors import UserError
from app.common.files import write_atomically
from app.lottery.settings import Pruning
from app.pruning import Masks
from app.runs import tensors
from app.runs.layout import NetworkKey, NetworkLayout, RunLayout
from app.runs.provenance import sha256, versions
from app.runs.results import METRIC_NAMES, MetricsFile, Result, early_stop, read_metrics
from app.training.run_loggers import LotteryLoggers
from app.training.trainer_factory import TrainerFactory
from callbacks import (
    ExperimentProgress,
    FinalTrainAccuracy,
    IterativePruningCallback,
    MetricsRecorder,
    ReportedProgress,
    ResumeCheckpoint,
    StopOnNonFinite,
)
from datamodules import InMemoryDataModule


@dataclass(frozen=True, kw_only=True)
class Job:
    """A network to train.

    Args:
        key: which one.
        start: the state that it begins with, before masking; the model is already there.
        masks: its masks.
        seeds: of its random draws, by purpose.
    """

    key: NetworkKey
    start: dict[str, Tensor]
    masks: Masks
    seeds: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class NetworkTraining:
    """Trains the networks of one experiment, one at a time, each with a fresh Trainer.

    Args:
        model: the module that every job has put into its starting point.
        data: reseeded for every job.
        settings: what is pruned, and which weights are kept.
        layout: where everything is written.
        iterations: length of a training.
        threads: torch's, for the record.
        make_trainer: a fresh Trainer from the configuration.
        loggers: the loggers of the configuration, one run for each (replicate, method, branch).
        progress: one display for all.
        checkpoint_seconds: how often a training in progress is saved.
        stop: asked between iterations whether to stop.
    """

    model: LightningModule
    data: InMemoryDataModule
    settings: Pruning
    layout: RunLayout
    iterations: int
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
        files.root.mkdir(parents=True, exist_ok=True)
        density = self._density(job.masks)
        self.data.reseed(split=job.seeds["split"], order=job.seeds["order"])
        seed_everything(job.seeds["training"], workers=True, verbose=False)
        self.model.train()

        ticket = IterativePruningCallback(self.settings.rates, self.settings.scope, self.settings.rewind_to)
        ticket.adopt(job.masks, round=job.key.round)
        recorder = MetricsRecorder(MetricsFile(files.metrics), METRIC_NAMES)
        accuracy = FinalTrainAccuracy()
        resume = ResumeCheckpoint(files.checkpoint, every_seconds=self.checkpoint_seconds, stop=self.stop)
        callbacks = [ticket, StopOnNonFinite(), recorder, accuracy, self.progress, resume]
        loggers = self.loggers.begin(job.key, density, self.iterations)
        trainer = self.make_trainer(files.root, callbacks, loggers, max_steps=self.iterations)
        self.progress.begin(str(job.key), density, self.iterations)
        checkpoint = files.checkpoint if files.checkpoint.exists() else None
        trainer.fit(self.model, datamodule=self.data, ckpt_path=checkpoint)

        if trainer.is_global_zero:
            result = self._result(job.key, density, accuracy.value, recorder.seconds)
            self._write(files, job, result, ticket.rewind_point)
        trainer.strategy.barrier("the network is on disk")
        result = read_result(files)
        self.loggers.end(result)
        self.progress.end(_summary(result))
        return result

    def _density(self, masks: Masks) -> float:
        return pruning.density(pruning.weight_sizes(self.model), pruning.survivors(masks))

    def _result(self, key: NetworkKey, density: float, train_accuracy: float, seconds: float) -> Result:
        rows = read_metrics(self.layout.network(key).metrics)
        stop = early_stop(rows)
        return Result(
            experiment=self.layout.name,
            replicate=key.replicate,
            method=key.method,
            round=key.round,
            branch=key.branch,
            density=density,
            early_stop_iteration=stop.iteration,
            early_stop_val_loss=stop.val_loss,
            early_stop_test_accuracy=stop.test_accuracy,
            final_test_accuracy=rows[-1].test_accuracy,
            final_train_accuracy=train_accuracy,
            seconds=round(seconds, 2),
        )

    def _write(self, files: NetworkLayout, job: Job, result: Result, rewind_point: dict[str, Tensor]) -> None:
        """Everything of a finished network; DONE last, so that without it nothing else counts."""
        final = self.model.state_dict()
        tensors.save_tensors(files.mask, job.masks)
        # The networks after these are made from their trained weights.
        if "final" in self.settings.keep or job.key.method in ("dense", "iterative"):
            tensors.save_tensors(files.final, final)
        if "start" in self.settings.keep:
            tensors.save_tensors(files.start, pruning.masked(job.start, job.masks))
        if job.key.method == "dense" and pruning.When.parse(self.settings.rewind_to).count > 0:
            tensors.save_tensors(self.layout.rewind_point(job.key.replicate), rewind_point)
        report = self._report(files, job, result) | {"checksums": self._checksums(files, job, final)}
        write_atomically(files.report, json.dumps(report, indent=2) + "\n")
        write_atomically(files.done, "")
        files.checkpoint.unlink(missing_ok=True)

    def _report(self, files: NetworkLayout, job: Job, result: Result) -> dict[str, Any]:
        sizes, kinds = pruning.weight_sizes(self.model), pruning.prunable_kinds(self.model)
        counts = pruning.survivors(job.masks)
        return {
            "result": asdict(result),
            "density": result.density,
            "density_prunable": pruning.density({name: sizes[name] for name in kinds}, counts),
            "layers": {
                name: {"kind": kinds.get(name), "weights": size, "survivors": counts.get(name, size)}
                for name, size in sizes.items()
            },
            "iterations": self.iterations,
            "seeds": job.seeds,
            "versions": versions(),
            "threads": self.threads,
        }

    def _checksums(self, files: NetworkLayout, job: Job, final: dict[str, Tensor]) -> dict[str, Any]:
        return {
            "data": self.data.checksums,
            "metrics.csv": sha256(files.metrics),
            "mask": tensors.digest(job.masks),
            "start": tensors.digest(job.start),
            "final": tensors.digest(final),
        }


def read_result(files: NetworkLayout) -> Result:
    """The row of a finished network.

    Raises:
        UserError: its report is missing or was edited.
    """
    try:
        return Result(**json.loads(files.report.read_text())["result"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{files.report}: not the report of a finished network ({error}); "
            f"delete {files.done} and run the same command to train it again"
        ) from None


def _summary(result: Result) -> str:
    return (
        f"{result.key}: early stop at {result.early_stop_iteration:,}, "
        f"test {result.early_stop_test_accuracy:.2%}, at the end {result.final_test_accuracy:.2%}"
    )
