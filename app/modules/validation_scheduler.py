"""A learning-rate scheduler that steps at the end of every validation, before the checkpoint of that validation.

Lightning saves and restores the scheduler but never steps it. It would step by epochs, and a plateau scheduler only
after the checkpoint of a validation has been saved, so not at all in a training that resumes from that checkpoint.
"""

import sys
from collections.abc import Callable
from typing import Any

from lightning.pytorch import LightningModule
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

VAL_LOSS = "val_loss"


def with_scheduler(optimizer: Optimizer, make: Callable[[Optimizer], Any] | None) -> Any:
    """What `configure_optimizers` returns: the optimiser, with a scheduler that Lightning never steps.

    Args:
        optimizer: whose learning rate is scheduled.
        make: makes the scheduler; None for a constant learning rate.
    """
    if make is None:
        return optimizer
    scheduler = make(optimizer)
    config = {"scheduler": scheduler, "monitor": monitored(scheduler), "interval": "epoch", "frequency": sys.maxsize}
    return {"optimizer": optimizer, "lr_scheduler": config}


def monitored(scheduler: object) -> str:
    """The metric that a plateau scheduler waits for; the validation loss where it names none."""
    return getattr(scheduler, "monitor", VAL_LOSS)


def step_scheduler(module: LightningModule, value_of: Callable[[str], float]) -> None:
    """Step the scheduler of a module, if it has one.

    Args:
        module: whose scheduler.
        value_of: the value of a metric in this validation, called only for a plateau scheduler.
    """
    scheduler = module.lr_schedulers()
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(value_of(monitored(scheduler)))
    elif isinstance(scheduler, LRScheduler):
        scheduler.step()
