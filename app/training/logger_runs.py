"""The W&B runs that trainings log to."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import Logger

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


def finish(loggers: list[Logger]) -> None:
    """End the runs that are open."""
    for logger in rounds_loggers(loggers):
        logger.finish()


def rounds_loggers(loggers: list[Logger]) -> list[RoundsWandbLogger]:
    """Those of some loggers that know rounds."""
    return [logger for logger in loggers if isinstance(logger, RoundsWandbLogger)]
