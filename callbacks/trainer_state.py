"""What several callbacks ask of a training: where it stands, whether it can be pruned, its random numbers."""

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor

from app.common.errors import UserError

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
    if trainer.global_step >= training_length(trainer):
        return True
    # Where the loader has no length, only the last batch of the last epoch tells.
    last_epoch = trainer.max_epochs is not None and 0 <= trainer.max_epochs <= trainer.current_epoch + 1
    return last_epoch and trainer.fit_loop.epoch_loop.batch_progress.is_last_batch


def is_resumable(trainer: Trainer) -> bool:
    """Whether a checkpoint of now leads to where the training would have gone.

    Not while gradients are being accumulated, which no checkpoint holds.
    """
    return not trainer.fit_loop.epoch_loop._should_accumulate()


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
    # Some that shard weights are subclasses of DDP's.
    if spawned or not (isinstance(strategy, SingleDeviceStrategy) or type(strategy) is DDPStrategy):
        raise UserError(
            f"pruning does not work with {type(strategy).__name__}"
            f"{' in spawned processes' if spawned else ''}; use one device or strategy ddp"
        )


def rng_state(module: LightningModule) -> list[Tensor]:
    """The state of torch's random numbers that a training of this module draws from: the CPU's, then its GPU's."""
    states = [torch.get_rng_state()]
    if module.device.type == "cuda":
        states.append(torch.cuda.get_rng_state(module.device))
    return states


def set_rng_state(states: list[Tensor], module: LightningModule) -> None:
    """Draw again what was drawn after `rng_state` gave these."""
    torch.set_rng_state(states[0].cpu())
    if len(states) > 1 and module.device.type == "cuda":
        torch.cuda.set_rng_state(states[1].cpu(), module.device)
