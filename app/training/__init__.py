"""Training one network in a run directory, by `fit` or in a lottery."""

from app.training.rounds_wandb_logger import RoundsWandbLogger

__all__ = ["RoundsWandbLogger"]
