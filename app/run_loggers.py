"""Which logger a network of a lottery logs to: one run per (replicate, method, branch), over all its rounds."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lightning.pytorch.loggers import Logger

from app.config import effective
from app.layout import CONTROLS, NetworkKey, RunLayout
from app.loggers import RoundsWandbLogger
from app.results import Result


@dataclass(kw_only=True)
class LotteryLoggers:
    """Hands out the loggers of the configuration, and tells those that know rounds which one it is.

    Args:
        make: instantiates the configuration's loggers.
        layout: W&B's files go below it.
        config: the configuration, logged with every run; with the key it decides the run's id, so that the same
            command goes on with the same runs.
    """

    make: Callable[[], list[Logger]]
    layout: RunLayout
    config: Mapping[str, Any]
    _current: tuple[int, str, int] | None = None
    _loggers: list[Logger] = field(default_factory=list)

    def begin(self, key: NetworkKey, density: float, iterations: int) -> list[Logger]:
        """Loggers for the next network; steps go on where the round before it ended.

        Args:
            key: the network.
            density: its share of weights remaining.
            iterations: length of every training.
        """
        which = (key.replicate, key.method, key.branch)
        if which != self._current:
            self.finish()
            self._current, self._loggers = which, self.make()
            for logger in self._wandb():
                logger.begin_run(
                    run_id=self._id(which),
                    name=self._name(key),
                    group=self.layout.name,
                    save_dir=self.layout.root,
                    config=dict(self.config) | {"replicate": key.replicate, "method": key.method, "branch": key.branch},
                )
        for logger in self._wandb():
            logger.begin_round(round=key.round, density=density, offset=key.round * iterations)
        return self._loggers

    def end(self, result: Result) -> None:
        """Log the summary of a finished network against its density."""
        for logger in self._wandb():
            logger.end_round(
                {
                    "early_stop_iteration": result.early_stop_iteration,
                    "early_stop_val_loss": result.early_stop_val_loss,
                    "early_stop_test_accuracy": result.early_stop_test_accuracy,
                    "final_test_accuracy": result.final_test_accuracy,
                    "final_train_accuracy": result.final_train_accuracy,
                }
            )

    def finish(self) -> None:
        """End the runs that are open."""
        for logger in self._wandb():
            logger.finish()

    def _wandb(self) -> list[RoundsWandbLogger]:
        return [logger for logger in self._loggers if isinstance(logger, RoundsWandbLogger)]

    def _id(self, which: tuple[int, str, int]) -> str:
        identity = json.dumps([self.layout.name, effective(self.config), which], sort_keys=True, default=str)
        return hashlib.sha256(identity.encode()).hexdigest()[:16]

    def _name(self, key: NetworkKey) -> str:
        branch = f"_{key.branch}" if key.method in CONTROLS else ""
        return f"{self.layout.name}/replicate_{key.replicate}/{key.method}{branch}"
