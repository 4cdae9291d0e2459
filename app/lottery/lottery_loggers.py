"""Which loggers a network of a lottery logs to.

A RoundsWandbLogger has one run per (replicate, method, branch), over all its rounds; others begin anew with each
network.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lightning.pytorch.loggers import Logger

from app.runs.layout import NetworkKey, RunLayout
from app.runs.table import Result
from app.training.logger_runs import finish, name_files, rounds_loggers, run_id
from app.training.rounds_wandb_logger import RoundsWandbLogger


@dataclass(kw_only=True)
class LotteryLoggers:
    """Makes the loggers of the configuration, and tells those that know rounds which one it is.

    Args:
        make: instantiates the configuration's loggers.
        layout: W&B's files go below it.
        config: the configuration, logged with every run; its model and data and the key decide the run's id, so that
            the same command goes on with the same runs.
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
            for logger in rounds_loggers(self._loggers):
                logger.begin_run(
                    run_id=run_id(self.layout.name, self.config, *which),
                    name=self._name(key),
                    group=self.layout.name,
                    save_dir=self.layout.root,
                    config=dict(self.config) | {"replicate": key.replicate, "method": key.method, "branch": key.branch},
                )
        elif others(self._loggers):
            finish(others(self._loggers))
            self._loggers = [*rounds_loggers(self._loggers), *others(self.make())]
        name_files(self._loggers, f"{self.layout.name}/{key.path}")
        for logger in rounds_loggers(self._loggers):
            logger.begin_round(round=key.round, density=density, offset=key.round * iterations)
        return self._loggers

    def end(self, result: Result) -> None:
        """Log the summary of a finished network against its density."""
        for logger in rounds_loggers(self._loggers):
            logger.end_round({"early_stop_iteration": result.early_stop_iteration, **result.values})
        finish(others(self._loggers))

    def finish(self) -> None:
        """End the runs that are open."""
        finish(self._loggers)
        self._current, self._loggers = None, []

    def _name(self, key: NetworkKey) -> str:
        branch = f"_{key.branch}" if key.of else ""
        return f"{self.layout.name}/replicate_{key.replicate}/{key.method}{branch}"


def others(loggers: list[Logger]) -> list[Logger]:
    """Those of some loggers that know no rounds."""
    return [logger for logger in loggers if not isinstance(logger, RoundsWandbLogger)]
