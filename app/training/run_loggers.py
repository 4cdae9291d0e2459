"""Which logger a network logs to: in a lottery one run per (replicate, method, branch), over all its rounds."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lightning.pytorch.loggers import Logger

from app.runs.config import effective
from app.runs.layout import CONTROLS, FitLayout, NetworkKey, RunLayout
from app.runs.results import Result
from app.training.rounds_wandb_logger import RoundsWandbLogger


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
        finish(self._loggers)
        self._current, self._loggers = None, []

    def _wandb(self) -> list[RoundsWandbLogger]:
        return _ours(self._loggers)

    def _id(self, which: tuple[int, str, int]) -> str:
        return _digest(self.layout.name, effective(self.config), which)

    def _name(self, key: NetworkKey) -> str:
        branch = f"_{key.branch}" if key.method in CONTROLS else ""
        return f"{self.layout.name}/replicate_{key.replicate}/{key.method}{branch}"


def begin_fit(loggers: list[Logger], layout: FitLayout, config: Mapping[str, Any]) -> None:
    """Name the one run that a training by `fit` logs to, however often it is taken up again.

    Args:
        loggers: of the configuration.
        layout: W&B's files go below it; with its name the run's id is made.
        config: logged with the run.
    """
    for logger in _ours(loggers):
        logger.begin_run(
            # Not of the trainer's part: a training may be made longer.
            run_id=_digest(layout.name, effective({part: config[part] for part in ("model", "data")})),
            name=layout.name,
            group=layout.root.resolve().parent.name,
            save_dir=layout.root,
            config=dict(config),
        )


def finish(loggers: list[Logger]) -> None:
    """End the runs that are open."""
    for logger in _ours(loggers):
        logger.finish()


def _ours(loggers: list[Logger]) -> list[RoundsWandbLogger]:
    return [logger for logger in loggers if isinstance(logger, RoundsWandbLogger)]


def _digest(*identity: Any) -> str:
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
