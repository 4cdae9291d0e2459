"""The Trainers and loggers of trainings with a run directory, made anew for each from the configuration."""

from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import Checkpoint, ProgressBar
from lightning.pytorch.cli import LightningArgumentParser
from lightning.pytorch.loggers import Logger

from app.cli.lottery_trainer import LotteryTrainer
from app.cli.mistakes import constructor_errors_named
from app.common.lightning_internals import leave_to_us
from app.training.mixed_precision import let_fused_optimizers_clip
from app.training.unprofiled import Unprofiled
from app.training.users_callbacks import save_in


class RunTrainers:
    """Makes Trainers with the callbacks of the configuration and those of a training.

    Args:
        configured: the trainer's part of the parsed configuration.
    """

    def __init__(self, configured: Namespace) -> None:
        self._configured = configured

    def __call__(self, root: Path, callbacks: list[Callback], logger: list[Logger], **arguments: Any) -> Trainer:
        """A Trainer for one training.

        Args:
            root: directory of the network.
            callbacks: added to those of the configuration, which are made anew.
            logger: used instead of those of the configuration.
            arguments: override the configuration.

        Raises:
            UserError: the configuration asks for something that Lightning refuses.
        """
        configured = self._arguments()
        users = as_list(configured["callbacks"])
        save_in(users, root)
        ours = {
            "default_root_dir": root,
            "callbacks": [*users, *callbacks],
            "logger": logger,
            # Ours show their own progress, and checkpoint and summarise in their own files.
            "enable_progress_bar": bool(configured["enable_progress_bar"]) or _has(users, ProgressBar),
            "enable_checkpointing": _has(users, Checkpoint),
            "enable_model_summary": bool(configured["enable_model_summary"]),
            "profiler": configured["profiler"] or Unprofiled(),
        }
        with constructor_errors_named("trainer"):
            trainer = LotteryTrainer(**configured | ours | arguments)
        leave_to_us(trainer)
        return let_fused_optimizers_clip(trainer)

    def of_lottery(self, root: Path, callbacks: list[Callback], logger: list[Logger], **arguments: Any) -> Trainer:
        """A Trainer for one network of a lottery: a sanity check over the whole sets measures iteration 0."""
        return self(root, callbacks, logger, **{"num_sanity_val_steps": -1} | arguments)

    def loggers(self) -> list[Logger]:
        """The loggers of the configuration."""
        return as_list(self._arguments()["logger"])

    def _arguments(self) -> dict[str, Any]:
        """The configuration, instantiated anew: Lightning adds to the lists of the first Trainer."""
        parser = LightningArgumentParser()
        parser.add_lightning_class_args(LotteryTrainer, "trainer")
        config = Namespace(trainer=self._configured.clone())  # type: ignore[no-untyped-call]
        with constructor_errors_named("trainer"):
            return dict(vars(parser.instantiate_classes(config).trainer))


def as_list(value: Any) -> list[Any]:
    """What is configured as nothing, one object or several, as a list."""
    if value is None or isinstance(value, bool):
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _has(callbacks: list[Callback], kind: type[Callback]) -> bool:
    return any(isinstance(callback, kind) for callback in callbacks)
