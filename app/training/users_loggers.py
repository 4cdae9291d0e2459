"""Loggers of the user's that log one training each: their names, and what becomes of one that fails."""

import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from app.common.errors import UserError, first_line
from app.common.lightning_internals import (
    chosen_run,
    file_version,
    set_file_version,
    set_mlflow_name,
    set_run_name,
)
from app.training.rounds_wandb_logger import RoundsWandbLogger

METHODS = ("log_metrics", "log_hyperparams", "log_graph", "log_table", "save", "finalize", "after_save_checkpoint")


def name_loggers(loggers: list[Logger], name: str, group: str) -> None:
    """Let loggers call their directory or run as the training is called, unless they have a name of the user's.

    A CSVLogger deletes what it finds in its directory; where a process before this one has logged, it takes another.

    Args:
        loggers: of the configuration.
        name: of the training, with that of its experiment.
        group: the experiment.
    """
    for logger in loggers:
        if isinstance(logger, CSVLogger | TensorBoardLogger) and file_version(logger) is None:
            version, taken = name, 1
            while isinstance(logger, CSVLogger) and (Path(logger.root_dir) / version).exists():
                taken += 1
                version = f"{name}_{taken}"
            set_file_version(logger, version)
        elif isinstance(logger, WandbLogger) and not isinstance(logger, RoundsWandbLogger):
            set_run_name(logger, name, group)
        elif isinstance(logger, MLFlowLogger):
            set_mlflow_name(logger, name)


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
        if isinstance(logger, RoundsWandbLogger):
            continue
        if isinstance(logger, WandbLogger | MLFlowLogger) and (run := chosen_run(logger)) is not None:
            raise UserError(
                f"trainer.logger: {type(logger).__name__} has the run {run}, where all networks would be logged; leave "
                "it out, and each has a run of its name; app.training.RoundsWandbLogger has one run for all rounds"
            )


def usable(loggers: list[Logger], about: Mapping[str, Any]) -> list[Logger]:
    """Those loggers that start, told what they log; from now on their failures end no training.

    Args:
        loggers: with their names.
        about: hyper-parameters of the training besides the module's own, such as its density.
    """
    return [logger for logger in loggers if _starts(logger, about)]


def _starts(logger: Logger, about: Mapping[str, Any]) -> bool:
    failed: list[str] = []
    for name in METHODS:
        if (method := getattr(logger, name, None)) is not None:
            setattr(logger, name, _or_without(type(logger).__name__, method, failed))
    try:
        if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
            getattr(logger, "experiment", None)
    except Exception as error:
        _say(type(logger).__name__, error)
        return False
    if about:
        logger.log_hyperparams(dict(about))
    return not failed


def _or_without(logger: str, method: Callable[..., Any], failed: list[str]) -> Callable[..., Any]:
    """Let a method of a logger do nothing after the first failure of any of its methods, which is one line."""

    @wraps(method)
    def guarded(*arguments: Any, **options: Any) -> Any:
        if failed:
            return None
        try:
            return method(*arguments, **options)
        except Exception as error:
            failed.append(logger)
            _say(logger, error)
            return None

    return guarded


def _say(logger: str, error: Exception) -> None:
    warnings.warn(f"{logger} has failed ({first_line(error)}); the training goes on without it", stacklevel=3)
