"""The state of a training, as several callbacks need it: its position, its strategy, its random numbers."""

import random
from typing import Any, cast

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy

from app.common.errors import UserError
from app.common.lightning_internals import (
    is_accumulating,
    is_last_batch,
    starts_by_spawning,
    train_loaders,
    validation_follows,
)
from app.common.protocols import can_go_on_anywhere

__all__ = [
    "ENDLESS",
    "is_complete",
    "is_last_batch",
    "is_resumable",
    "iterations_per_epoch",
    "reached_its_end",
    "refuse_strategy",
    "resumes_anywhere",
    "rng_state",
    "set_rng_state",
    "training_length",
    "validation_follows",
]

ENDLESS = 2**62


def training_length(trainer: Trainer) -> int:
    """Iterations of the whole fit; `ENDLESS` if neither steps nor epochs bound it."""
    ends = [ENDLESS]
    if trainer.max_steps >= 0:
        ends.append(trainer.max_steps)
    if trainer.max_epochs is not None and trainer.max_epochs >= 0:
        ends.append(trainer.max_epochs * iterations_per_epoch(trainer))
    return min(ends)


def iterations_per_epoch(trainer: Trainer) -> int:
    """Optimiser steps in one epoch; `ENDLESS` if the loader has no length."""
    batches = trainer.num_training_batches
    return -(-int(batches) // trainer.accumulate_grad_batches) if batches < ENDLESS else ENDLESS


def is_complete(trainer: Trainer) -> bool:
    """Whether the last iteration has been done."""
    if trainer.global_step >= training_length(trainer):
        return True
    # If the loader has no length, the training is complete at the last batch of the last epoch.
    last_epoch = trainer.max_epochs is not None and 0 <= trainer.max_epochs <= trainer.current_epoch + 1
    return last_epoch and is_last_batch(trainer)


def reached_its_end(trainer: Trainer) -> bool:
    """Whether a training that has ended had its full length; otherwise a callback or the clock has stopped it."""
    if 0 <= trainer.max_steps <= trainer.global_step:
        return True
    return (
        trainer.max_epochs is not None and 0 <= trainer.max_epochs <= trainer.current_epoch and is_last_batch(trainer)
    )


def is_resumable(trainer: Trainer) -> bool:
    """Whether a training resumed from a checkpoint made now gives the same result as an uninterrupted one.

    This is false while gradients are being accumulated, which checkpoints do not hold. If a loader cannot save its
    position, it is true only at the end of an epoch.
    """
    return not is_accumulating(trainer) and (is_last_batch(trainer) or resumes_anywhere(trainer))


def resumes_anywhere(trainer: Trainer) -> bool:
    """Whether the training can resume in the middle of an epoch."""
    return can_go_on_anywhere(train_loaders(trainer))


def refuse_strategy(trainer: Trainer) -> None:
    """Refuse strategies that do not keep all weights in a training process that lives on after the fit.

    Raises:
        UserError: the strategy shards weights, or trains in processes that end with the training.
    """
    strategy, spawned = trainer.strategy, starts_by_spawning(trainer)
    # Some strategies that shard weights are subclasses of DDPStrategy.
    if spawned or not (isinstance(strategy, SingleDeviceStrategy) or type(strategy) is DDPStrategy):
        raise UserError(
            f"pruning does not work with {type(strategy).__name__}"
            f"{' in spawned processes' if spawned else ''}; use one device or strategy ddp"
        )


def rng_state(module: LightningModule) -> dict[str, Any]:
    """The states of the random number generators: torch's (CPU, and the module's GPU), numpy's and Python's.

    They are tensors and plain values only, so that a checkpoint with them loads under `weights_only=True`.
    """
    name, keys, position, has_gauss, cached = cast(Any, np.random.get_state())
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        "python": _plain(random.getstate()),
    }
    if module.device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(module.device)
    return state


def set_rng_state(state: dict[str, Any] | list[Any], module: LightningModule) -> None:
    """Restore what `rng_state` returned; a list, as in old checkpoints, holds only torch's state."""
    if isinstance(state, list):
        torch.set_rng_state(state[0].cpu())
        return
    torch.set_rng_state(state["torch"].cpu())
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), position, has_gauss, cached))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    if "cuda" in state and module.device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"].cpu(), module.device)


def _plain(state: Any) -> list[Any]:
    version, internal, gauss = state
    return [version, list(internal), gauss]
