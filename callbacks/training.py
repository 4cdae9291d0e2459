"""Where a training stands: the few questions to a Trainer that several callbacks ask."""

from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy

from app.errors import UserError

ENDLESS = 2**62


def training_length(trainer: Trainer) -> int:
    """Iterations of this fit, whole; `ENDLESS` where neither steps nor epochs bound it."""
    ends = [ENDLESS]
    if trainer.max_steps >= 0:
        ends.append(trainer.max_steps)
    if trainer.max_epochs is not None and trainer.max_epochs >= 0:
        ends.append(trainer.max_epochs * iterations_per_epoch(trainer))
    return min(ends)


def iterations_per_epoch(trainer: Trainer) -> int:
    """Optimiser steps in one epoch; `ENDLESS` where the loader has no length."""
    batches = trainer.num_training_batches
    return -(-int(batches) // trainer.accumulate_grad_batches) if batches < ENDLESS else ENDLESS


def is_complete(trainer: Trainer) -> bool:
    """Whether the last iteration has been done."""
    return trainer.global_step >= training_length(trainer)


def validation_follows(trainer: Trainer) -> bool:
    """Whether Lightning validates right after this iteration."""
    fit_loop = trainer.fit_loop
    assert fit_loop._data_fetcher is not None
    return fit_loop.epoch_loop._should_check_val_fx(fit_loop._data_fetcher)


def refuse_strategy(trainer: Trainer) -> None:
    """Pruning keeps its state in the process that trains, whole, and between trainings.

    Raises:
        UserError: for strategies that shard weights, or train in processes that end with the training.
    """
    strategy = trainer.strategy
    spawned = getattr(strategy, "_start_method", "popen") != "popen"
    if spawned or not isinstance(strategy, SingleDeviceStrategy | DDPStrategy):
        raise UserError(
            f"pruning does not work with {type(strategy).__name__}"
            f"{' in spawned processes' if spawned else ''}; use one device or strategy ddp"
        )
