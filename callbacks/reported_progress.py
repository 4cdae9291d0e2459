"""The progress of trainings that another process shows."""

import time
from collections.abc import Callable
from typing import Any, Protocol

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

REPORT_SECONDS = 0.5


class Listener(Protocol):
    """Who shows the progress."""

    def begin(self, label: str, density: float | None, iterations: int) -> None:
        """A training begins; arguments as for `ExperimentProgress.begin`."""

    def reach(self, iteration: int, *, resumed: bool = False) -> None:
        """It has come so far; `resumed` where an earlier process had."""

    def end(self, summary: str) -> None:
        """It is finished."""


class ReportedProgress(Callback):
    """Tells a listener how far trainings are, at most twice a second; an iteration pays for a look at the clock.

    Args:
        listener: is told.
        clock: the time in seconds, never going back.
    """

    def __init__(self, listener: Listener, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.begin, self.end = listener.begin, listener.end
        self._listener = listener
        self._clock = clock
        self._due = 0.0

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A resumed training starts above 0."""
        self._listener.reach(trainer.global_step, resumed=True)

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tell the iteration, where it is time to."""
        now = self._clock()
        if now >= self._due:
            self._due = now + REPORT_SECONDS
            self._listener.reach(trainer.global_step)
