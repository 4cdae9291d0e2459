"""One row of metrics per validation, for whoever collects them."""

import math
import time
from typing import Any, Protocol

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override


class MetricsSink(Protocol):
    """Where rows go, such as a metrics.csv."""

    def cut(self, rows: int) -> None:
        """Keep the first `rows` rows and forget the others."""

    def append(self, row: dict[str, float]) -> None:
        """Take one row."""


class MetricsRecorder(Callback):
    """Hands every validation's metrics to a sink: at iteration 0 (the sanity check over whole sets) and at each later.

    A resumed training first cuts the sink back to the rows that there were when its checkpoint was made, so that in the
    end they are those of an uninterrupted one.

    Args:
        sink: takes the rows; used on rank zero only.
        names: the metrics of a row, as the module logs them; one that is not logged (train values at iteration 0) is
            recorded as nan.
    """

    def __init__(self, sink: MetricsSink, names: list[str]) -> None:
        self.sink = sink
        self.names = names
        self._seconds = 0.0
        self._since = 0.0
        self._rows = 0
        self._began = False  # whether the row of iteration 0 is there already

    @property
    def seconds(self) -> float:
        """Time spent in this training, over all processes that worked on it."""
        return self._seconds + (time.monotonic() - self._since if self._since else 0.0)

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            self._since = time.monotonic()

    @override
    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._cut(trainer, 0)
        self._began = True

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self._began:
            self._cut(trainer, self._rows if trainer.global_step else 0)
        self._began = False

    def _cut(self, trainer: Trainer, rows: int) -> None:
        self._rows = rows
        if trainer.is_global_zero:
            self.sink.cut(rows)

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit":
            return
        logged = trainer.callback_metrics
        row = {name: number(logged[name]) if name in logged else math.nan for name in self.names}
        self._rows += 1
        if trainer.is_global_zero:
            self.sink.append({"iteration": trainer.global_step} | row)
        if trainer.sanity_checking:  # Lightning itself logs the later rows, but not this one
            for logger in trainer.loggers:
                logger.log_metrics({name: value for name, value in row.items() if not math.isnan(value)}, step=0)

    @override
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            self._seconds, self._since = self.seconds, 0.0

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "rows": self._rows}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._seconds, self._rows = state_dict["seconds"], state_dict["rows"]


def number(value: Tensor) -> float:
    """A scalar tensor as the shortest decimal that stands for it: 0.9 for float32's 0.8999999761581421."""
    return float(str(value.detach().cpu().numpy()))
