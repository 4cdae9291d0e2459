"""The runs that trainings by `fit` log to, and those that are open."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.loggers import Logger, WandbLogger

from app.common import protocols
from app.common.metrics import Schema
from app.runs.config import effective
from app.runs.layout import FitLayout
from app.training.rounds_wandb_logger import RoundsWandbLogger
from app.training.run_facts import run_facts, run_tags, sweeps_run
from app.training.users_loggers import name_loggers, usable
from app.training.wandb_artifacts import RunArtifact, model_artifact
from app.training.wandb_history import LoggedTraining


@dataclass(frozen=True, kw_only=True)
class FitRun:
    """The one run that a training by `fit` logs to, however often it is taken up again.

    Args:
        layout: W&B's files go below it; with its name the run's id is made.
        model: what is trained.
        data: what it is trained on.
        seeds: of its random draws.
        config: logged with the run.
        iterations: length of the training.
    """

    layout: FitLayout
    model: LightningModule
    data: LightningDataModule
    seeds: Mapping[str, int]
    config: Mapping[str, Any]
    iterations: int

    def begin(self, loggers: list[Logger]) -> list[Logger]:
        """Name the loggers' runs and directories.

        Args:
            loggers: of the configuration.

        Returns:
            Those that can be used.
        """
        root = self.layout.root.resolve()
        name_loggers(loggers, f"{root.parent.name}/{root.name}", root.parent.name)
        ours = rounds_loggers(loggers)
        for logger in ours:
            self._begin_run(logger, past=())
            logger.begin_training(LoggedTraining(length=self.iterations, metrics=self.layout.metrics))
        others = [logger for logger in loggers if logger not in ours]
        return [*ours, *usable(others, {"experiment": root.parent.name, "seed": root.name})]

    def end(self, loggers: list[Logger], best: Mapping[str, float]) -> None:
        """Log the rest of a training that has come to its end.

        Args:
            loggers: of the training.
            best: the row of its best validation.
        """
        for logger in rounds_loggers(loggers):
            logger.end_training()
            if logger.artifacts:
                logger.log_artifacts(self._artifacts(best))

    def complete(self, loggers: list[Logger], best: Mapping[str, float]) -> None:
        """Log what the run lacks of the training, which is finished.

        Args:
            loggers: of the configuration.
            best: the row of its best validation.
        """
        for logger in rounds_loggers(loggers):
            self._begin_run(logger, past=(LoggedTraining(length=self.iterations, metrics=self.layout.metrics),))
            logger.complete(artifacts=lambda: self._artifacts(best))

    def _artifacts(self, best: Mapping[str, float]) -> list[RunArtifact]:
        return [model_artifact(self.layout, best)] if self.layout.best.exists() else []

    def _begin_run(self, logger: RoundsWandbLogger, past: tuple[LoggedTraining, ...]) -> None:
        root = self.layout.root.resolve()
        logger.begin_run(
            run_id=sweeps_run() or run_id(self.layout.name, self.config),
            name=root.name,
            group=root.parent.name,
            job_type="fit",
            tags=run_tags(self.config),
            save_dir=self.layout.root,
            config={**self.config, **run_facts(self.model, self.data, self.seeds)},
            schema=Schema(protocols.metric_schema(self.model) or ()),
            past=lambda: past,
        )


def run_id(name: str, config: Mapping[str, Any], *which: Any) -> str:
    """The id of a W&B run, the same whenever the same training goes on.

    Args:
        name: of the run directory.
        config: its model and data count; a training may be made longer, and a lottery may grow.
        which: of several runs of one directory.
    """
    identity = [name, effective({part: config.get(part) for part in ("model", "data")}), *which]
    return hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:16]


def finish(loggers: list[Logger]) -> None:
    """End the runs that are open."""
    for logger in rounds_loggers(loggers):
        logger.finish()
    if any(isinstance(logger, WandbLogger) and not isinstance(logger, RoundsWandbLogger) for logger in loggers):
        import wandb

        wandb.finish()  # or the next training would log to the same run


def rounds_loggers(loggers: list[Logger]) -> list[RoundsWandbLogger]:
    """Those of some loggers that know rounds."""
    return [logger for logger in loggers if isinstance(logger, RoundsWandbLogger)]
