"""Callbacks that time trainings and evaluations by Lightning."""

import time
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from app.bench.timing import Clock


class Stopwatch(Callback):
    """Times a training from its first iteration to its end, evaluations included.

    It must be the first callback, so that the time of all others counts.
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
    """Times every evaluation during a training, and a reference after each one.

    Args:
        reference: run after every evaluation.
        tick: called after the reference; its time does not count.
        clock: the time in seconds.

    Attributes:
        ours: seconds between two iterations with an evaluation between them.
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
