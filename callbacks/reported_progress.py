"""Reports the progress of trainings to another process, which shows it."""

import time
from collections.abc import Callable
from typing import Any, Protocol

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

REPORT_SECONDS = 0.5


class Listener(Protocol):
    """The receiver of progress reports."""

    def begin(self, label: str, density: float | None, iterations: int) -> None:
        """A training begins; arguments as for `ExperimentProgress.begin`."""

    def reach(self, iteration: int, *, resumed: bool = False) -> None:
        """The training is at this iteration; `resumed` if an earlier process had reached it."""

    def end(self, summary: str, iterations: int | None = None) -> None:
        """The training is finished; arguments as for `ExperimentProgress.end`."""


class ReportedProgress(Callback):
    """Reports the iteration to a listener at most twice a second; every other iteration only reads the clock.

    Args:
        listener: receives the reports.
        clock: the time in seconds, never going back.
    """

    def __init__(self, listener: Listener, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.begin, self.end = listener.begin, listener.end
        self._listener = listener
        self._clock = clock
        self._due = 0.0

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the first iteration, which is above 0 if the training is resumed."""
        self._listener.reach(trainer.global_step, resumed=True)

    def listens(self, trainer: Trainer) -> bool:
        """Whether the last report is old enough."""
        return self._clock() >= self._due

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report the iteration if the last report is old enough."""
        now = self._clock()
        if now >= self._due:
            self._due = now + REPORT_SECONDS
            self._listener.reach(trainer.global_step)
