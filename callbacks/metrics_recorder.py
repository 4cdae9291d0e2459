"""Records one row of metrics per validation."""

import math
import time
from collections.abc import Sequence
from typing import Any, Protocol

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

UNRECORDED = ("step", "epoch")  # logged for the axes of loggers; every row has its iteration


class MetricsSink(Protocol):
    """A destination of rows, such as a metrics.csv."""

    def cut(self, rows: int) -> None:
        """Keep the first `rows` rows and delete the others."""

    def append(self, row: dict[str, float]) -> None:
        """Add one row."""

    def sync(self) -> None:
        """Make all rows so far permanent: a checkpoint is about to count them."""


class MetricsRecorder(Callback):
    """Passes the metrics of every validation to a sink; a sanity check over whole sets is that of iteration 0.

    A resumed training first deletes the rows that came after its checkpoint, so that the rows in the end are those of
    an uninterrupted training. A sanity check over only a few batches is not recorded.

    Args:
        sink: receives the rows, on rank zero only.
        names: the metrics of a row, as the module logs them; a metric that is not logged (train values at iteration 0)
            is recorded as nan. By default all metrics that are logged.
    """

    def __init__(self, sink: MetricsSink, names: Sequence[str] | None = None) -> None:
        self.sink = sink
        self.names = names
        self._seconds = 0.0
        self._since = 0.0
        self._validating = 0.0  # seconds of all validations
        self._validating_since = 0.0
        self._first: int | None = None  # iterations before this training
        self._rows = 0
        self.iteration = -1
        self._began = False  # whether the row of iteration 0 is recorded already

    @property
    def seconds(self) -> float:
        """Time spent in this training by all processes that worked on it."""
        return self._seconds + (time.monotonic() - self._since if self._since else 0.0)

    def iterations_per_second(self, iterations: int) -> float:
        """The speed of this training until it had so many iterations, its validations aside; nan before the first."""
        seconds, done = self.seconds - self._validating, iterations - (self._first or 0)
        return done / seconds if done > 0 and seconds > 0 else math.nan

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            self._since = time.monotonic()

    @override
    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if _is_whole(trainer):
            self._cut(trainer, 0)
            self._began = True

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._first is None:
            self._first = trainer.global_step
        if not self._began:
            self._cut(trainer, self._rows if trainer.global_step else 0)
        self._began = False

    def _cut(self, trainer: Trainer, rows: int) -> None:
        self._rows = rows
        if trainer.is_global_zero:
            self.sink.cut(rows)

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validating_since = time.monotonic()

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validating += time.monotonic() - self._validating_since
        if trainer.state.fn != "fit" or (trainer.sanity_checking and not _is_whole(trainer)):
            return
        logged = trainer.callback_metrics
        names = self.names if self.names is not None else [name for name in logged if name not in UNRECORDED]
        row = {name: number(logged[name]) if name in logged else math.nan for name in names}
        if trainer.sanity_checking and not names:
            return  # in its sanity check Lightning hides from callbacks what the steps of several loaders log
        self._rows, self.iteration = self._rows + 1, trainer.global_step
        if trainer.is_global_zero:
            self.sink.append({"iteration": trainer.global_step} | row)
        if trainer.sanity_checking:  # Lightning logs the later rows itself, but not this one
            for logger in trainer.loggers:
                logger.log_metrics({name: value for name, value in row.items() if not math.isnan(value)}, step=0)

    @override
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            self._seconds, self._since = self.seconds, 0.0

    @override
    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.is_global_zero and self._rows:
            self.sink.sync()

    @override
    def state_dict(self) -> dict[str, Any]:
        return {
            "seconds": self.seconds,
            "validation_seconds": self._validating,
            "first": self._first,
            "rows": self._rows,
            "iteration": self.iteration,
        }

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._seconds, self._rows = state_dict["seconds"], state_dict["rows"]
        self.iteration = state_dict.get("iteration", -1)
        # Checkpoints of before count validations as training, and know no beginning but 0.
        self._validating, self._first = state_dict.get("validation_seconds", 0.0), state_dict.get("first", 0)


def _is_whole(trainer: Trainer) -> bool:
    """Whether the sanity check covers whole sets."""
    return trainer.num_sanity_val_steps == math.inf


def number(value: Tensor) -> float:
    """A scalar tensor as the shortest decimal that rounds to it: 0.9 for float32's 0.8999999761581421."""
    return float(str(value.detach().cpu().numpy()))
