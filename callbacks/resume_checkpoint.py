"""Checkpoints to resume from: often enough to lose little, exact enough to lose nothing."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from torch import Tensor
from typing_extensions import override

from app.common.errors import Interrupted
from callbacks.trainer_state import is_complete, is_resumable, rng_state, set_rng_state, validation_follows


class ResumeCheckpoint(Callback):
    """Saves a training in progress every few seconds, and when asked to stop, between two iterations.

    The file is replaced atomically. It holds what Lightning saves (weights, optimiser, loops, loader position, all
    callbacks) and the state of torch's random numbers on every rank. Let it be the last of the callbacks: it ends a
    training within its hook.

    Args:
        path: the checkpoint.
        every_seconds: how long after the last save the next one is due. A validation or a slow iteration in between
            may delay it.
        stop: asked after every iteration; when true the training is saved and ends with `Interrupted`.
        keep: save the end of the training too, so that the file can be gone on from with a longer one.
    """

    def __init__(
        self, path: Path, *, every_seconds: float = 15.0, stop: Callable[[], bool] = bool, keep: bool = False
    ) -> None:
        self.path = path
        self.every_seconds = every_seconds
        self.stop = stop
        self.keep = keep
        self._last = time.monotonic()
        self._rng: list[list[Tensor]] = []

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._last = time.monotonic()
        if trainer.is_global_zero:
            self._temporary.unlink(missing_ok=True)  # of a process that was killed while it saved

    @property
    def _temporary(self) -> Path:
        return self.path.with_name(f".{self.path.name}.tmp")

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epochs, epoch_loop = trainer.fit_loop.epoch_progress.current, trainer.fit_loop.epoch_loop
        if epochs.ready == getattr(epochs, "processed", None):
            # Resumed at the end of an epoch, which Lightning has counted, but still believes to be within.
            trainer.fit_loop.reset_restart_stage()
            if epoch_loop.restarted_on_train_batch_end:
                _begin_epoch(epoch_loop)
        if self._rng:
            set_rng_state(self._rng[trainer.global_rank % len(self._rng)], pl_module)
            self._rng = []

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._save_if_due(trainer, before_validation=True)

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._save_if_due(trainer)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.should_stop:  # decided after everything else of an epoch, as EarlyStopping may
            self._save_if_due(trainer)

    def _save_if_due(self, trainer: Trainer, *, before_validation: bool = False) -> None:
        stop = self.stop()
        due = stop or time.monotonic() - self._last >= self.every_seconds
        if trainer.world_size > 1:
            due = trainer.strategy.reduce_boolean_decision(due, all=False)
        complete = is_complete(trainer) or (self.keep and trainer.should_stop)
        if not (self.keep if complete else due) or not is_resumable(trainer):
            return
        # Lightning resumes behind a validation that follows this iteration: it must have happened before we save.
        if before_validation and validation_follows(trainer):
            return
        if trainer.world_size > 1:
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        try:
            trainer.save_checkpoint(self._temporary)
            if trainer.is_global_zero:
                self._temporary.replace(self.path)
        except BaseException as error:
            self._temporary.unlink(missing_ok=True)
            if isinstance(error, OSError):  # which names a file of fsspec's, elsewhere
                error.filename = str(self.path)
            raise
        self._last = time.monotonic()
        if stop and not complete:
            raise Interrupted

    @override
    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        states = [rng_state(pl_module)]
        if trainer.world_size > 1:
            states *= trainer.world_size
            torch.distributed.all_gather_object(states, rng_state(pl_module))
        checkpoint["rng"] = states

    @override
    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._rng = checkpoint.get("rng", [])
        for callback in trainer.checkpoint_callbacks:
            if hasattr(callback, "current_score"):  # which ModelCheckpoint saves, but does not load
                callback.current_score = checkpoint["callbacks"].get(callback.state_key, {}).get("current_score")


def _begin_epoch(loop: _TrainingEpochLoop) -> None:
    """Count batches from 0 again, as Lightning itself does only where the loader has a length."""
    loop.batch_progress.increment_completed()
    loop.batch_progress.reset_on_run()
    loop.scheduler_progress.reset_on_run()
    loop.automatic_optimization.optim_progress.reset_on_run()
    loop.val_loop.batch_progress.total.reset()
    loop.reset_restart_stage()
