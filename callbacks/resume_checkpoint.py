"""Saves checkpoints from which an interrupted training resumes to the same bits."""

import signal
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import GradientAccumulationScheduler, ModelCheckpoint
from torch import Tensor
from typing_extensions import override

from app.common.errors import Interrupted
from app.common.files import remove_leftovers_of, replacing
from app.common.lightning_internals import (
    finish_epoch_of_checkpoint,
    follow_directory,
    step_plateau_schedulers,
)
from callbacks.trainer_state import (
    is_complete,
    is_resumable,
    resumes_anywhere,
    rng_state,
    set_rng_state,
    validation_follows,
)


class ResumeCheckpoint(Callback):
    """Saves a training in progress every few seconds, and when asked to stop, between two iterations.

    The file is replaced atomically. It holds what Lightning saves (weights, optimiser, loops, loader position, all
    callbacks), the metrics that callbacks and schedulers wait for, and the state of the random numbers on every rank.
    Make it the last of the callbacks: it ends a training within its hook.

    Where a loader has no `state_dict`, as a plain `DataLoader`, a training is saved at the ends of epochs only: what
    it resumes from is then the end of the last epoch, to the same bits.

    Args:
        path: the checkpoint.
        previous: where the checkpoint before is kept, in case the last one is damaged.
        every_seconds: the time from one save to the next. A validation, a slow iteration or an epoch may delay a save.
        stop: called after every iteration; if it returns True, or the number of the signal that asks for it, the
            training is saved and ends with `Interrupted`. One rank that is asked stops all.
        keep: save at the end of the training too, so that a longer training can continue from the file.
        snapshots: paths of additional checkpoints, each with the iteration after which it is saved.
        describe: changes every checkpoint of the training before it is saved.
        restore: called with the checkpoint that the training goes on from.
    """

    def __init__(
        self,
        path: Path,
        *,
        previous: Path | None = None,
        every_seconds: float = 15.0,
        stop: Callable[[], int] = bool,
        keep: bool = False,
        snapshots: Mapping[Path, int] | None = None,
        describe: Callable[[dict[str, Any]], None] | None = None,
        restore: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.path = path
        self.previous = previous
        self.every_seconds = every_seconds
        self.stop = stop
        self.keep = keep
        self.snapshots = dict(snapshots or {})
        self._moments = frozenset(self.snapshots.values())
        self.describe = describe
        self.restore = restore
        self._last = time.monotonic()
        self._is_whole = False  # whether `path` has been read or written by this process
        self._rng: list[dict[str, Any]] = []
        self._metrics: dict[str, Tensor] = {}

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._last = time.monotonic()
        if trainer.is_global_zero:
            remove_leftovers_of(self.path)  # of a process that was killed while it saved

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Before Lightning makes an iterator of the loader: a DataLoader draws its order from torch's generator then.
        self._restore_rng(trainer, pl_module)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        drawn = finish_epoch_of_checkpoint(trainer) and not resumes_anywhere(trainer)
        if not drawn:  # Lightning makes another iterator, or the loader draws nothing
            self._restore_rng(trainer, pl_module)
        self._rng = []
        trainer.callback_metrics.update(self._metrics)
        self._metrics = {}
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, GradientAccumulationScheduler):  # sets it at the beginnings of epochs only
                trainer.accumulate_grad_batches = callback.get_accumulate_grad_batches(trainer.current_epoch)

    def _restore_rng(self, trainer: Trainer, module: LightningModule) -> None:
        if self._rng:
            set_rng_state(self._rng[trainer.global_rank % len(self._rng)], module)

    def listens(self, trainer: Trainer) -> bool:
        """Whether it is time to save after the next iteration, or it was asked to stop."""
        due = time.monotonic() - self._last >= self.every_seconds
        return due or bool(self.stop()) or trainer.global_step + 1 in self._moments

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
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        step_plateau_schedulers(trainer)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.should_stop:  # set at the very end of an epoch, for example by EarlyStopping
            self._save_if_due(trainer)

    def _save_if_due(self, trainer: Trainer, *, before_validation: bool = False) -> None:
        number = int(self.stop())
        due = bool(number) or time.monotonic() - self._last >= self.every_seconds
        if trainer.world_size > 1:
            due, number = _on_any_rank(trainer, due=due, number=number)
        # Resuming a training that has ended early would train it further.
        complete = is_complete(trainer) or trainer.should_stop
        snapshot = trainer.global_step in self._moments
        if not (self.keep if complete else due or snapshot) or not is_resumable(trainer):
            return
        # Lightning would resume after the validation that follows this iteration, so save after that validation.
        if before_validation and validation_follows(trainer):
            return
        for path in [path for path, moment in self.snapshots.items() if snapshot and moment == trainer.global_step]:
            save_atomically(trainer, path)
        if not (self.keep if complete else due):
            return
        save_atomically(trainer, self.path, previous=self.previous if self._is_whole else None)
        self._is_whole = True
        self._last = time.monotonic()
        if number and not complete:
            raise Interrupted(signal.Signals(number) if number > True else signal.SIGINT)

    @override
    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        states = [rng_state(pl_module)]
        if trainer.world_size > 1:
            states *= trainer.world_size
            torch.distributed.all_gather_object(states, rng_state(pl_module))
        checkpoint["rng"] = states
        checkpoint["callback_metrics"] = {
            name: value.detach().cpu() for name, value in trainer.callback_metrics.items()
        }
        if self.describe is not None:
            self.describe(checkpoint)

    @override
    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._is_whole = trainer.ckpt_path is not None and Path(trainer.ckpt_path) == self.path
        if self.restore is not None:
            self.restore(checkpoint)
        self._rng, self._metrics = checkpoint.get("rng", []), checkpoint.get("callback_metrics", {})
        ours = trainer.ckpt_path is not None and Path(trainer.ckpt_path).parent == self.path.parent
        for callback in trainer.checkpoint_callbacks:
            state = checkpoint["callbacks"].get(callback.state_key)
            if ours and isinstance(callback, ModelCheckpoint) and state is not None:
                follow_directory(callback, state)
            if hasattr(callback, "current_score"):  # ModelCheckpoint saves it but does not load it
                callback.current_score = checkpoint["callbacks"].get(callback.state_key, {}).get("current_score")


def _on_any_rank(trainer: Trainer, *, due: bool, number: int) -> tuple[bool, int]:
    """Whether it is time to save on any rank, and the number of a signal that any has; 0 if none has."""
    told = torch.tensor(number + 1 if due else 0, device=trainer.strategy.root_device)
    most = int(trainer.strategy.reduce(told, reduce_op="max"))
    return most > 0, max(0, most - 1)


def save_atomically(trainer: Trainer, path: Path, *, previous: Path | None = None) -> None:
    """Save a checkpoint so that the file is at every instant the complete old or the complete new one.

    Every rank must call it. When it returns, the checkpoint is on the disk.

    Args:
        trainer: whose state is saved.
        path: the file.
        previous: where the file that it replaces is kept.

    Raises:
        OSError: the file cannot be written; names its path.
    """
    with replacing(path, previous=previous) if trainer.is_global_zero else nullcontext(path) as target:
        trainer.save_checkpoint(target)
