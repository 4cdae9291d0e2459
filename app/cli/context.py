"""The settings of one run, which the command line hands to its Trainer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from app.common.errors import UserError
from app.lottery.experiment import Experiment
from app.lottery.workers.parent import Parent
from app.runs.layout import FitLayout, RunLayout
from app.training.trainer_factory import TrainerFactory


@dataclass(frozen=True, kw_only=True)
class Context:
    """The settings of one run.

    Args:
        seed: of the experiment.
        threads: torch's.
        experiment: name of the experiment and of its run directory.
        runs: directory of all experiments.
        checkpoint_seconds: how often a training in progress is saved.
        config: the whole parsed configuration, plain.
        make_trainer: a fresh Trainer from the configuration.
        make_loggers: fresh loggers from the configuration.
        parent: the process that this one is a worker of, if any.
        study: what is done with a lottery in place of training its networks, if anything.
        lottery: all of whose networks a command is to measure, if any.
        logs_to_training: whether what is measured of a network is logged to the W&B run of its training.
    """

    seed: int
    threads: int
    experiment: str | None
    runs: Path
    checkpoint_seconds: float
    config: dict[str, Any]
    make_trainer: TrainerFactory
    make_loggers: Callable[[], list[Logger]]
    parent: Parent | None = None
    study: Callable[[Experiment], Any] | None = None
    lottery: RunLayout | None = None
    logs_to_training: bool = False

    @property
    def root(self) -> Path:
        """Directory of the experiment.

        Raises:
            UserError: it has no name.
        """
        if self.experiment is None:
            raise UserError("--experiment is missing: the name of the run directory")
        return self.runs / self.experiment

    def checkpoint(self, path: str | None) -> Path:
        """The checkpoint that is meant: a path, "best" or "last" of the run directory; its best where none is named."""
        named = {None: "best", "best": "best", "last": "last"}.get(path)
        if path is not None and (named is None or self.experiment is None):
            return Path(path)
        return self.fit_layout.best if named == "best" else self.fit_layout.last

    @property
    def fit_layout(self) -> FitLayout:
        """Where `fit` writes."""
        return FitLayout(self.root / f"seed_{self.seed}")
