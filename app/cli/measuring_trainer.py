"""A Trainer that knows the settings of its run; what all subcommands do that measure a language model."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule, Trainer

from app.cli.context import Context
from app.common.errors import UserError
from app.common.loading import LOGGING, said_meanwhile
from app.common.ranks import is_first
from app.runs.checkpoints import load_weights
from app.runs.layout import RunLayout
from app.runs.measured_networks import MeasuredNetworks
from app.training.measured_runs import Table, log_measured_networks
from app.training.trained_run import trained_run


class MeasuringTrainer(Trainer):
    """Lightning's Trainer, which finds the network to measure, loads its weights and logs tables."""

    context: Context

    def lottery_to_measure(self, **of_one: str | None) -> RunLayout | None:
        """The lottery all of whose networks are meant; None for one network.

        Args:
            of_one: options that make sense for one network only, by name.

        Raises:
            UserError: one of these is given for a lottery.
        """
        run = self.context.lottery
        for name, value in of_one.items() if run is not None else ():
            if value is not None:
                raise UserError(
                    f"--{name} is for one network, and {run.root} is a lottery; name one of its networks"  # type: ignore[union-attr]
                )
        return run

    def log_tables(self, checkpoint: Path | None, tables: Mapping[str, tuple[list[str], list[list[Any]]]]) -> None:
        """Log tables, by name, to the W&B run of the training and to the loggers that take one.

        Others may be there for `fit` with the same configuration.
        """
        for log_table in (logger.log_table for logger in self.loggers if hasattr(logger, "log_table")):
            for name, (columns, rows) in tables.items():
                log_table(name, columns, [[_plain(cell) for cell in row] for row in rows])
        if checkpoint is None or not self.context.logs_to_training:
            return
        with said_meanwhile(LOGGING), trained_run(checkpoint) as run:
            if run is not None:
                for name, (columns, rows) in tables.items():
                    run.log_table(name, columns, rows)

    def log_networks(self, networks: MeasuredNetworks, read: Callable[[Path], Table]) -> None:
        """Log what was measured of a lottery to the W&B runs of its networks."""
        if self.context.logs_to_training and is_first():
            with said_meanwhile(LOGGING):
                log_measured_networks(networks, read)

    def load_weights(self, model: LightningModule, data: LightningDataModule, weights: Path | None) -> None:
        """Put trained weights into a language model, and its words where these do not come with them.

        Args:
            model: the language model.
            data: what it was trained on.
            weights: a checkpoint or a final.safetensors; None where weights will be loaded later.
        """
        if weights is not None:
            load_weights(model, weights)
        if getattr(model, "vocabulary", None) is None and (weights is None or weights.suffix == ".safetensors"):
            data.prepare_data()
            data.setup("predict")
            if hasattr(data, "vocabulary"):
                model.set_vocabulary(data.vocabulary, "the data")  # type: ignore[operator]
        model.to(self.strategy.root_device)


def _plain(cell: Any) -> Any:
    """What a logger can take in a table that knows no pictures by their path."""
    return str(cell) if isinstance(cell, Path) else cell
