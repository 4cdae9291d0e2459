"""Copies of a network of a lottery: the same weights to begin with, and other orders of the data."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app.common.errors import UserError
from app.common.files import make_directory, remove, write_atomically
from app.common.kernel_sets import KERNELS, is_record
from app.common.plugins import errors_named
from app.common.seeds import derive_seed
from app.common.states import digest, plain_name, plain_state
from app.common.text_files import read_json
from app.common.used_kernels import kernels
from app.lottery.experiment import Experiment
from app.lottery.network import FRESH
from app.lottery.rounds import Lottery
from app.lottery.sparse import kernels_of, sparse_training
from app.lottery.stability.layout import Point, StabilityLayout
from app.pruning import Masks, density, rewind, survivors, weight_sizes
from app.runs.best_validation import configured_best
from app.runs.checkpoints import read_checkpoint, ticket_checkpoint
from app.runs.config import recorded_kernels
from app.runs.kernels import check_kernels
from app.runs.layout import NetworkKey, TrainingLayout
from app.runs.recorded_tensors import read_tensors
from app.runs.tensors import load_tensors, save_masked
from app.runs.ticket import load_ticket
from app.training.resume_point import resume_point
from app.training.training import Training
from callbacks import ExperimentProgress, IterativePruningCallback


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Trains copies, and the dense network up to iterations that the lottery has not kept.

    Args:
        experiment: the lottery.
        lottery: the same, which makes its networks.
        layout: where copies are written.
        progress: where they are shown.
        stop: asked between iterations whether to stop.
    """

    experiment: Experiment
    lottery: Lottery
    layout: StabilityLayout
    progress: ExperimentProgress
    stop: Callable[[], int]

    def final(self, point: Point, number: int) -> dict[str, Tensor]:
        """The trained state of a copy, which is trained first where it is not finished.

        Raises:
            UserError: the network or its weights at the iteration are missing or damaged.
            Interrupted: asked to stop; the checkpoint is up to date.
            RunError: the training diverged.
        """
        files = self.layout.copy(point, number)
        masks = self._put_start(point)
        start = digest(plain_state(self.experiment.model))
        if files.done.exists() and self._report(files).get("start") == start:
            return self._read(files)
        make_directory(files.root)
        remove(files.done)
        callback = IterativePruningCallback(self.experiment.settings.rates, self.experiment.settings.scope)
        callback.adopt(masks, round=max(1, point.key.round))  # round 0 would record weights to rewind to
        seeds = self._seeds(point.key, number)
        share = density(weight_sizes(self.experiment.model), survivors(masks))
        method = self.experiment.settings.method(point.key)
        with errors_named("pruning.methods", method):
            callbacks = method.callbacks(point.key)
        training = self._training(
            files,
            label=f"{point}, copy {number}",
            iterations=self.experiment.iterations,
            seeds=seeds,
            callbacks=[callback, *callbacks],
            density=share,
            start=self._checkpoint(files, point, callback),
        )
        with sparse_training(self.experiment.model, masks, self.experiment.settings.sparse):
            trained = training.run()
        final = plain_state(self.experiment.model)
        save_masked(files.final, final, masks)
        report = {
            "start": start,
            "final": digest(final),
            "began_at": point.iteration if self._resumes_schedule else 0,
            "iterations": trained.iterations,
            "complete": trained.complete,
            "density": share,
            "seeds": seeds,
            "seconds": round(trained.seconds, 2),
            **trained.kernels.in_report(),
        }
        write_atomically(files.report, json.dumps(report, indent=2) + "\n")
        write_atomically(files.done, "")
        files.last.unlink(missing_ok=True)
        files.previous.unlink(missing_ok=True)
        self.progress.end(f"{point}, copy {number}: trained", trained.iterations)
        return final

    def density(self, point: Point) -> float:
        """The share of weights remaining of a network whose first copy is finished."""
        return float(self._report(self.layout.copy(point, 0))["density"])

    @property
    def _resumes_schedule(self) -> bool:
        return self.experiment.settings.resume_schedule

    def _seeds(self, key: NetworkKey, number: int) -> dict[str, int]:
        """Those of the network, but for the order of the data and all that a training draws: they are the copy's."""
        own = {
            purpose: derive_seed(self.experiment.seed, key.replicate, f"stability/copy_{number}/{purpose}")
            for purpose in ("order", "training")
        }
        return self.lottery.seeds(key) | own

    def _put_start(self, point: Point) -> Masks:
        """Put the model into the masked weights that copies begin with; return the masks."""
        model, key, run = self.experiment.model, point.key, self.experiment.layout
        if self.experiment.config["trainer"].get("precision") in (64, "64", "64-true"):
            model.double()  # or loading them would round the weights
        if key.round > 0 and point.iteration == self.experiment.rewind_iteration:
            return load_ticket(run.network(key).root, model)  # whatever its method begins with
        masks = self.lottery.networks_before.dense_masks(key.replicate)
        if key.round > 0:
            if not run.network(key).done.exists():
                raise UserError(f"{run.network(key).root}: no finished network there (no DONE file)")
            masks = read_tensors(run.network(key).mask)
        rewind(model, self._weights(key.replicate, point.iteration), masks)
        return masks

    def _weights(self, replicate: int, iteration: int) -> Mapping[str, Tensor]:
        """The state of the dense training after an iteration, by plain name."""
        if iteration == 0:
            return self.lottery.networks_before.initial(replicate)
        if iteration == self.experiment.rewind_iteration:
            return read_tensors(self.experiment.layout.rewind_weights(replicate))
        state = self._moment(replicate, iteration)["state_dict"]
        return {plain_name(name): value for name, value in state.items()}

    def _moment(self, replicate: int, iteration: int) -> dict[str, Any]:
        """The checkpoint of the dense training after an iteration; trained up to there where it is not kept."""
        kept = self.experiment.layout.rewind_checkpoint(replicate)
        if iteration == self.experiment.rewind_iteration and kept.exists():
            return read_checkpoint(kept)
        path = self.layout.moment(replicate, iteration)
        if not path.exists():
            self._train_dense(replicate, iteration)
        return read_checkpoint(path)

    def _train_dense(self, replicate: int, iteration: int) -> None:
        """Train the dense network as the lottery does, one iteration further: a finished training is not saved."""
        files, key = self.layout.dense(replicate, iteration), NetworkKey(replicate, "dense", 0)
        job = self.lottery.prepare(key)
        make_directory(files.root)
        self._training(
            files,
            label=f"{key}, up to iteration {iteration:,}",
            iterations=iteration + 1,
            seeds=job.seeds,
            callbacks=[job.ticket, *job.callbacks],
            density=1.0,
            start=resume_point(files).path,
            snapshots={self.layout.moment(replicate, iteration): iteration},
            arguments={"max_steps": iteration + 1, "max_epochs": -1},
        ).run()
        files.last.unlink(missing_ok=True)
        files.previous.unlink(missing_ok=True)
        self.progress.end(f"{key}: trained up to iteration {iteration:,}")

    def _training(self, files: TrainingLayout, *, start: Path | None, **options: Any) -> Training:
        self._check_kernels(start)
        return Training(
            model=self.experiment.model,
            data=self.experiment.data,
            files=files,
            config=self.experiment.config,
            best=configured_best(self.experiment.config),
            make_trainer=self.experiment.make_trainer,
            loggers=[],
            progress=self.progress,
            checkpoint_seconds=self.experiment.checkpoint_seconds,
            stop=self.stop,
            start=start,
            **options,
        )

    def _check_kernels(self, start: Path | None) -> None:
        """Refuse kernels that have trained neither the lottery's networks nor the copies, unless they are allowed.

        Args:
            start: the checkpoint that a training goes on from, if any.
        """
        trainer = self.experiment.make_trainer(self.layout.root, [], [])
        now = kernels(self.experiment.model, trainer.strategy.root_device, str(trainer.precision))
        now |= kernels_of(self.experiment.settings.sparse)
        reports = [read_json(path) for path in self.layout.root.rglob("copy_*/report.json")]
        earlier = [*recorded_kernels(self.experiment.layout), *(each[KERNELS] for each in reports if KERNELS in each)]
        begun = read_checkpoint(start).get(KERNELS) if start is not None else None
        earlier += begun if is_record(begun) else []
        allowed = bool(self.experiment.config.get("allow_other_kernels"))
        check_kernels(f"{self.experiment.layout.root} was begun", earlier, now, allowed=allowed)

    def _checkpoint(self, files: TrainingLayout, point: Point, callback: IterativePruningCallback) -> Any:
        """The checkpoint that a copy goes on from: its own, or that of the dense training with the copy's weights."""
        own = resume_point(files)
        if own.path is not None or point.iteration == 0 or not self._resumes_schedule:
            return own.path
        model = self.experiment.model
        start = plain_state(model)
        moment = self._moment(point.key.replicate, point.iteration)
        callbacks = {callback.state_key: callback.state_dict()}
        checkpoint = ticket_checkpoint(moment, start, callbacks, fresh=FRESH)
        checkpoint.pop("rng", None)  # else all copies would go on with the random numbers of the dense training
        file = io.BytesIO()
        torch.save(checkpoint, file)
        write_atomically(files.last, file.getvalue())
        rewind(model, start, callback.masks)
        return files.last

    def _report(self, files: TrainingLayout) -> dict[str, Any]:
        try:
            return dict(read_json(files.report))
        except (ValueError, TypeError) as error:
            raise UserError(f"{files.report}: not the report of a copy ({error}); delete {files.root}") from None

    def _read(self, files: TrainingLayout) -> dict[str, Tensor]:
        try:
            final = load_tensors(files.final)
        except UserError as error:
            raise UserError(f"{error}; delete {files.root}") from None
        if digest(final) != self._report(files).get("final"):
            raise UserError(f"{files.final}: damaged, or another file than was written there; delete {files.root}")
        return final
