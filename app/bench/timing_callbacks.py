"""Callbacks that time what Lightning does."""

import time
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from app.bench.timing import Clock


class Stopwatch(Callback):
    """Seconds from the first iteration to the end of the last one, or of the evaluation after it.

    The first of the callbacks, so that what all others do in between counts.
    """

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self.seconds = float("nan")
        self._clock = clock
        self._began = 0.0

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._began = self._clock()

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seconds = self._clock() - self._began


class EvaluationTimes(Callback):
    """What each evaluation costs a training, and after each one how long something else takes.

    Args:
        reference: is run after every evaluation.
        tick: called then, on nobody's time.
        clock: the time in seconds.

    Attributes:
        ours: seconds from one iteration to the next, with an evaluation between.
        others: seconds of the reference.
    """

    def __init__(
        self,
        reference: Callable[[], object],
        tick: Callable[[], object],
        clock: Clock = time.perf_counter,
    ) -> None:
        self.reference = reference
        self.tick = tick
        self.ours: list[float] = []
        self.others: list[float] = []
        self._clock = clock
        self._since: float | None = None

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._since = self._clock()

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if self._since is None:
            return
        now = self._clock()
        self.ours.append(now - self._since)
        self.reference()
        self.others.append(self._clock() - now)
        self.tick()
