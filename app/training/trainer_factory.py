"""How a training gets its Trainer."""

from pathlib import Path
from typing import Any, Protocol

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger


class TrainerFactory(Protocol):
    """Makes a fresh Trainer from the configuration."""

    def __call__(self, root: Path, callbacks: list[Callback], logger: list[Logger], **arguments: Any) -> Trainer:
        """A Trainer that has not trained yet, with these callbacks besides those of the configuration."""
