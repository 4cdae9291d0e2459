"""Runs iterations of a training without Lightning's hooks, where no callback needs them.

Around an iteration Lightning calls some forty hooks, which for a small network take longer than the network.
"""

import math
from collections.abc import Callable
from typing import Any, Protocol

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loops.fetchers import _DataFetcher, _PrefetchDataFetcher
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.trainer import call
from torch import Tensor
from typing_extensions import override


class QuietIterations(Protocol):
    """Trains on batches, several between `begin` and `end`."""

    def begin(self) -> bool:
        """Whether iterations can be done without hooks now."""

    def needs_hooks(self) -> bool:
        """Whether a callback needs the hooks of the next iteration."""

    def __call__(self, batch: Any) -> Tensor | None:
        """Train on a batch and return the loss; None if it needs hooks, and then nothing has been done with it."""

    def end(self) -> None:
        """What follows has hooks."""


def train_quietly(trainer: Trainer, prepare: Callable[[Trainer], QuietIterations | None]) -> None:
    """Let a Trainer that has not begun do iterations without hooks.

    Counters, schedulers and the loader move on as in every other iteration. The first iteration of an epoch and its
    last, the last one of the training, and the one before a validation have their hooks. So does one whose loss is not
    finite, from there on.

    Args:
        trainer: of the training.
        prepare: called before iterations that might have no hooks; None if they have to have them.
    """
    before = trainer.fit_loop.epoch_loop
    trainer.fit_loop.epoch_loop = _QuietEpochLoop(trainer, prepare, before.min_steps, before.max_steps)


def saves_after(callback: ModelCheckpoint, iteration: int) -> bool:
    """Whether the callback may save after an iteration, validations aside."""
    every = callback._every_n_train_steps
    return callback._train_time_interval is not None or (every >= 1 and iteration % every == 0)


class _Fetched:
    """A fetcher whose next batch has been taken already."""

    def __init__(self, batch: Any, fetcher: _DataFetcher) -> None:
        self._batch = batch
        self.done = fetcher.done

    def __next__(self) -> Any:
        return self._batch


class _QuietEpochLoop(_TrainingEpochLoop):
    def __init__(
        self,
        trainer: Trainer,
        prepare: Callable[[Trainer], QuietIterations | None],
        min_steps: int | None,
        max_steps: int,
    ) -> None:
        super().__init__(trainer, min_steps=min_steps, max_steps=max_steps)
        self._prepare = prepare

    @override
    def advance(self, data_fetcher: _DataFetcher) -> None:
        """Train on all batches up to the next that a callback needs hooks for, and then on that one with its hooks."""
        if not self.restarting and self.batch_progress.current.ready > 0:
            data_fetcher = self._advance_quietly(data_fetcher)
        super().advance(data_fetcher)

    def _advance_quietly(self, fetcher: _DataFetcher) -> Any:
        """Return where the next batch comes from."""
        if type(fetcher) is not _PrefetchDataFetcher or fetcher.length is None or not self._may_be_quiet(fetcher):
            return fetcher
        iterations = self._prepare(self.trainer)
        if iterations is None or not iterations.begin():
            return fetcher
        try:
            while self._may_be_quiet(fetcher) and not iterations.needs_hooks():
                fetched = next(fetcher)
                batch = self.trainer.precision_plugin.convert_input(fetched[0])
                loss = iterations(batch)
                if loss is None:
                    return _Fetched(fetched, fetcher)
                self._count(loss, batch)
        finally:
            iterations.end()
        return fetcher

    def _may_be_quiet(self, fetcher: _DataFetcher) -> bool:
        """Whether the next batch ends nothing: not the epoch, not the training, and no validation follows."""
        trainer, progress = self.trainer, self.batch_progress
        assert fetcher.length is not None
        if self.automatic_optimization._skip_backward or trainer._val_check_time_interval is not None:
            return False
        last = fetcher.fetched + 1 >= fetcher.length or progress.current.ready + 1 >= trainer.num_training_batches
        if last or trainer.should_stop or 0 <= self.max_steps <= self.global_step + 1:
            return False
        progress.is_last_batch = False
        progress.increment_ready()
        try:
            return not self._should_check_val_fx(fetcher)
        finally:
            progress.total.ready -= 1
            progress.current.ready -= 1

    def _count(self, loss: Tensor, batch: Any) -> None:
        """Count an iteration as Lightning does."""
        progress, optimizer = self.batch_progress, self.automatic_optimization.optim_progress.optimizer
        progress.increment_ready()
        progress.increment_started()
        optimizer.step.increment_ready()
        optimizer.zero_grad.increment_ready()
        optimizer.zero_grad.increment_started()
        optimizer.zero_grad.increment_completed()
        optimizer.step.increment_completed()
        progress.increment_processed()
        self.update_lr_schedulers("step", update_plateau_schedulers=False)
        if not math.isfinite(loss.item()):
            outputs = {"loss": loss}
            call._call_callback_hooks(self.trainer, "on_train_batch_end", outputs, batch, self.batch_idx)
        progress.increment_completed()
        self.update_lr_schedulers("step", update_plateau_schedulers=True)
        self._batches_that_stepped += 1
