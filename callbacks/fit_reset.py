"""A fresh start of Lightning's loops and callbacks in every fit of one script."""

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, StochasticWeightAveraging, WeightAveraging

from app.common.lightning_internals import (
    end_averaging,
    reset_averaging,
    reset_early_stopping,
    reset_loops,
    reset_model_checkpoint,
)


def reset_fit(trainer: Trainer) -> None:
    """Make a Trainer and its callbacks begin a training as new ones would, whatever they have trained before."""
    reset_loops(trainer)
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, EarlyStopping):
            reset_early_stopping(callback)
        elif isinstance(callback, ModelCheckpoint):
            reset_model_checkpoint(callback)
        elif isinstance(callback, WeightAveraging | StochasticWeightAveraging):
            reset_averaging(callback)


def end_fit(trainer: Trainer) -> None:
    """Leave a Trainer as it was before a fit that has ended, early or by an exception, while weights were averaged."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, StochasticWeightAveraging):
            end_averaging(callback, trainer)
