"""The W&B run of a training that has ended, for what is measured of its network afterwards."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.common.errors import UserError
from app.runs.config import read_config
from app.runs.layout import FitLayout, NetworkKey, TrainingLayout, run_of
from app.runs.network_report import read_report
from app.training.logger_runs import run_id
from app.training.rounds_wandb_logger import RoundsWandbLogger
from app.training.run_facts import run_tags

LOGGER = "app.training.RoundsWandbLogger"


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """The run of one network, open.

    Args:
        logger: that logs to it.
        key: of the network, if it is of a lottery.
        density: its share of weights remaining, if it is of a lottery.
    """

    logger: RoundsWandbLogger
    key: NetworkKey | None = None
    density: float | None = None

    def of(self, key: NetworkKey, density: float) -> "TrainedRun":
        """The same run for another network of it."""
        return replace(self, key=key, density=density)

    def log(self, command: str, values: Mapping[str, float]) -> None:
        """Log values that a command has measured, as `COMMAND/NAME`."""
        where = {} if self.key is None else {"round": self.key.round, "density": self.density}
        self.logger.log_beside({f"{command}/{name}": value for name, value in values.items()} | where)

    def log_table(self, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        """Log a table; of a network of a lottery, whose run has several, with its round in the name."""
        self.logger.log_table(name if self.key is None else f"{name}/round_{self.key.round:02d}", columns, rows)


@contextmanager
def trained_run(checkpoint: Path) -> Iterator[TrainedRun | None]:
    """Go on with the W&B run of a training; None where it had none, or W&B is disabled.

    Args:
        checkpoint: the weights, in the directory of their training.
    """
    found = None if os.environ.get("WANDB_MODE") == "disabled" else _begun(checkpoint.resolve().parent)
    if found is None:
        yield None
        return
    try:
        yield found
    finally:
        found.logger.finish()


def _begun(root: Path) -> TrainedRun | None:
    run = run_of(root)
    layout = FitLayout(root) if run is None else run
    try:
        config = read_config(layout)
        key = NetworkKey.of_path(root.relative_to(run.root.resolve()).as_posix()) if run is not None else None
        density = float(read_report(TrainingLayout(root))["density"]) if key is not None else None
    except (UserError, ValueError, KeyError, TypeError):
        return None  # weights that lie elsewhere belong to no run
    logger = _logger((config.get("trainer") or {}).get("logger"))
    if logger is None:
        return None
    which = () if key is None else (key.replicate, key.method, key.branch)
    branch = [str(key.branch)] if key is not None and key.of else []
    logger.begin_run(
        run_id=run_id(layout.name, config, *which),
        name=root.name if key is None else "/".join([f"replicate_{key.replicate}", key.method, *branch]),
        group=root.parent.name if key is None else layout.name,
        job_type="fit" if key is None else key.method,
        tags=run_tags(config),
        save_dir=layout.root,
        config=dict(config),
        alone=False,
    )
    return TrainedRun(logger=logger, key=key, density=density)


def _logger(configured: Any) -> RoundsWandbLogger | None:
    """The logger that a configuration has for its run, if it has one."""
    for each in configured if isinstance(configured, list) else [configured]:
        if isinstance(each, Mapping) and each.get("class_path") == LOGGER:
            return RoundsWandbLogger(**(each.get("init_args") or {}))
    return None
