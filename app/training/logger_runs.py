"""The runs and directories that trainings log to."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from app.common.errors import UserError
from app.common.lightning_internals import file_version, set_file_version, set_run_name
from app.runs.config import effective
from app.runs.layout import FitLayout
from app.training.rounds_wandb_logger import RoundsWandbLogger


def begin_fit(loggers: list[Logger], layout: FitLayout, config: Mapping[str, Any]) -> None:
    """Name the one run that a training by `fit` logs to, however often it is taken up again.

    Args:
        loggers: of the configuration.
        layout: W&B's files go below it; with its name the run's id is made.
        config: logged with the run.
    """
    name_files(loggers, f"{layout.root.resolve().parent.name}/{layout.root.name}")
    for logger in rounds_loggers(loggers):
        logger.begin_run(
            run_id=run_id(layout.name, config),
            name=layout.name,
            group=layout.root.resolve().parent.name,
            save_dir=layout.root,
            config=dict(config),
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


def name_files(loggers: list[Logger], name: str) -> None:
    """Let other loggers call their directory or run as the training is called, unless they have a name of the user's.

    A CSVLogger deletes what it finds in its directory; where a process before this one has logged, it takes another.

    Args:
        loggers: of the configuration.
        name: of the training, with that of its experiment.
    """
    for logger in loggers:
        if isinstance(logger, CSVLogger | TensorBoardLogger) and file_version(logger) is None:
            version, taken = name, 1
            while isinstance(logger, CSVLogger) and (Path(logger.root_dir) / version).exists():
                taken += 1
                version = f"{name}_{taken}"
            set_file_version(logger, version)
        elif isinstance(logger, WandbLogger) and not isinstance(logger, RoundsWandbLogger):
            set_run_name(logger, name)


def check_loggers(loggers: list[Logger]) -> None:
    """Refuse loggers that would log all networks of a lottery in one place.

    Raises:
        UserError: naming the logger.
    """
    for logger in loggers:
        if isinstance(logger, CSVLogger | TensorBoardLogger) and (version := file_version(logger)) is not None:
            raise UserError(
                f"trainer.logger: {type(logger).__name__} has the version {version}, where all networks would be "
                "logged; leave it out, and each is logged in a directory of its name"
            )


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
