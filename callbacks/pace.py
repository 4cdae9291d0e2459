"""Times the first iterations of a training, so that the time of the whole training can be estimated."""

import time
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from app.common.lightning_internals import is_accumulating


class Pace(Callback):
    """Times the iterations and the validations of a training, and ends it as soon as it knows enough.

    Args:
        seconds: of iterations that are enough; the training ends with the first one that reaches them.
        now: the clock, in seconds.

    Attributes:
        iteration: seconds of one iteration, the first one aside where there are others; nan before the first.
        validation: seconds of the last validation; 0 where there was none.
    """

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self.iteration = float("nan")
        self.validation = 0.0
        self._now = now
        self._since = 0.0
        self._iterations = 0
        self._validation_since = 0.0

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._since = self._now()

    @override
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        if is_accumulating(trainer):
            return
        self._iterations += 1
        passed = self._now() - self._since
        self.iteration = passed / max(1, self._iterations - 1)
        if self._iterations == 1:
            self._since += passed  # what is loaded and compiled once is no iteration's time
            passed = 0.0
        # All processes end it together.
        trainer.should_stop = trainer.strategy.reduce_boolean_decision(passed >= self.seconds, all=False)

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validation_since = self._now()

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.validation = self._now() - self._validation_since
        self._since += self.validation
