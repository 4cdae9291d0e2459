"""How long a training is."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from app.common.errors import UserError
from app.common.lightning_internals import is_stateful_loader

ENDLESS = 2**62


def training_iterations(arguments: Mapping[str, Any], data: LightningDataModule) -> int:
    """Optimiser steps of a training, from its `max_steps` and `max_epochs`; an estimate where epochs differ in length.

    Args:
        arguments: of the Trainer.
        data: prepared and set up.

    Raises:
        UserError: nothing bounds it.
    """
    max_epochs, max_steps = arguments["max_epochs"], arguments["max_steps"]
    ends = [max_steps] if max_steps > 0 else []
    if max_epochs is not None and max_epochs > 0:
        ends.append(max_epochs * steps_per_epoch(arguments, data))
    if not ends:
        raise UserError("a training has no length; set trainer.max_epochs or trainer.max_steps")
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


def steps_per_epoch(arguments: Mapping[str, Any], data: LightningDataModule) -> int:
    """Optimiser steps of an epoch; `ENDLESS` where the training loader has no length.

    Args:
        arguments: of the Trainer.
        data: prepared and set up.
    """
    batches = getattr(data, "iterations_per_epoch", None)
    if batches is None:
        try:
            batches = len(data.train_dataloader())
        except TypeError:
            return ENDLESS
    limit = arguments.get("limit_train_batches")
    if isinstance(limit, float):
        batches = int(batches * limit)
    elif limit is not None:
        batches = min(batches, limit)
    return -(-int(batches) // int(arguments.get("accumulate_grad_batches") or 1))
