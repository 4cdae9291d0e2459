"""How long a training is, and how often it is validated."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset

from app.common.errors import UserError
from app.common.lightning_internals import is_stateful_loader

ENDLESS = 2**62


def training_iterations(arguments: Mapping[str, Any], data: LightningDataModule, world_size: int = 1) -> int:
    """Optimiser steps of a training, from its `max_steps` and `max_epochs`; an estimate where epochs differ in length.

    Args:
        arguments: of the Trainer.
        data: prepared and set up.
        world_size: processes that share the training.

    Raises:
        UserError: nothing bounds it, or it has no iteration.
    """
    max_epochs, max_steps = arguments["max_epochs"], arguments["max_steps"]
    ends = [max_steps] if max_steps >= 0 else []
    if max_epochs is not None and max_epochs >= 0:
        ends.append(max_epochs * steps_per_epoch(arguments, data, world_size))
    if not ends or 0 in (max_epochs, max_steps):
        raise UserError("a training has no length; set trainer.max_epochs or trainer.max_steps")
    if min(ends) == 0:
        raise UserError(
            f"a training has no batch: {type(data).__name__}.train_dataloader() yields none, or none is left of it "
            f"(trainer.limit_train_batches {arguments.get('limit_train_batches')}, "
            f"trainer.overfit_batches {arguments.get('overfit_batches')})"
        )
    return int(min(ends))


def resuming_note(data: LightningDataModule) -> str:
    """How a training on this data resumes, in a sentence; empty if it can resume at any iteration.

    Args:
        data: prepared and set up.
    """
    loader = data.train_dataloader()
    if is_stateful_loader(loader):
        return ""
    if isinstance(loader, DataLoader) and (loader.generator is not None or loader.persistent_workers):
        what = "a generator of its own" if loader.generator is not None else "persistent_workers"
        return (
            f"The training loader of {type(data).__name__} has {what}, whose state is in no checkpoint: a training "
            "that is stopped goes on in another order. Leave it out, or give the loader a state_dict."
        )
    return (
        f"The training loader of {type(data).__name__} has no state_dict: a training that is stopped goes on from the "
        "end of its last epoch, to the same bits."
    )


def steps_per_epoch(arguments: Mapping[str, Any], data: LightningDataModule, world_size: int = 1) -> int:
    """Optimiser steps of an epoch; `ENDLESS` where the training loader has no length.

    Args:
        arguments: of the Trainer.
        data: prepared and set up.
        world_size: processes that share the training.
    """
    batches = batches_per_epoch(arguments, data, world_size)
    return batches if batches == ENDLESS else -(-batches // int(arguments.get("accumulate_grad_batches") or 1))


def batches_per_epoch(arguments: Mapping[str, Any], data: LightningDataModule, world_size: int = 1) -> int:
    """Batches that one process trains on in an epoch; arguments and result as for `steps_per_epoch`."""
    batches = getattr(data, "iterations_per_epoch", None)
    if batches is None:
        try:
            batches = _length(data.train_dataloader(), arguments, world_size)
        except TypeError:
            batches = ENDLESS
    # Lightning's overfit_batches takes the place of the limit.
    limit = arguments.get("overfit_batches") or arguments.get("limit_train_batches")
    if isinstance(limit, float):
        return int(batches * limit) if batches != ENDLESS else ENDLESS
    return int(batches if limit is None else min(batches, limit))


def _length(loader: Any, arguments: Mapping[str, Any], world_size: int) -> int:
    """The length of a loader, after Lightning has divided its rows between the processes."""
    if (
        world_size == 1
        or not arguments.get("use_distributed_sampler", True)
        or not isinstance(loader, DataLoader)
        or isinstance(loader.dataset, IterableDataset)
        or isinstance(loader.sampler, DistributedSampler)
        or loader.batch_size is None
    ):
        return len(loader)
    rows = -(-len(loader.sampler) // world_size)  # type: ignore[arg-type]
    return rows // loader.batch_size if loader.drop_last else -(-rows // loader.batch_size)


def validations(arguments: Mapping[str, Any], data: LightningDataModule, iterations: int, world_size: int = 1) -> int:
    """How often a training is validated after its beginning; 1 where that is not known.

    Args:
        arguments: of the Trainer.
        data: prepared and set up.
        iterations: optimiser steps of the training.
        world_size: processes that share the training.
    """
    batches, interval = batches_per_epoch(arguments, data, world_size), arguments.get("val_check_interval")
    every_epochs: int | None = arguments.get("check_val_every_n_epoch")
    interval = 1.0 if interval is None else interval
    if batches == ENDLESS or not isinstance(interval, int | float):
        return 1
    every = interval if isinstance(interval, int) else max(1, int(batches * interval))
    steps = steps_per_epoch(arguments, data, world_size)
    epochs, rest = divmod(iterations, steps)
    rest *= int(arguments.get("accumulate_grad_batches") or 1)  # batches of an epoch that is not finished
    if every_epochs is None:
        return (epochs * batches + rest) // every
    last = rest // every if (epochs + 1) % every_epochs == 0 else 0
    return epochs // every_epochs * (batches // every) + last
