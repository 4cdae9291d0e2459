"""A fresh optimiser in every fit of one callback."""

from typing import Any

from lightning.pytorch import Trainer
from torch.optim import Optimizer

from app.common.errors import UserError


class OptimizerReset:
    """Gives every fit a fresh optimiser, even if the module returns the same object every time."""

    def __init__(self) -> None:
        self._fresh: list[tuple[Optimizer, dict[str, Any]]] = []  # of the last fit, before its first step

    def apply(self, trainer: Trainer) -> None:
        """Reset the optimisers that the last fit used; called before Lightning restores any state to resume from.

        Raises:
            UserError: a scheduler has run in an earlier fit.
        """
        known = {id(optimizer): state for optimizer, state in self._fresh}
        for optimizer in trainer.optimizers:
            if id(optimizer) in known:
                optimizer.load_state_dict(known[id(optimizer)])
        if any(_has_run(config.scheduler) for config in trainer.lr_scheduler_configs):
            raise UserError("configure_optimizers returned a scheduler that has already run; make a new one every time")
        self._fresh = [(optimizer, _copy(optimizer.state_dict())) for optimizer in trainer.optimizers]


def _copy(state: dict[str, Any]) -> dict[str, Any]:
    """An optimiser's state before its first step, which holds hyper-parameters and no tensors yet."""
    groups = [dict(group) for group in state["param_groups"]]
    return {"state": dict(state["state"]), "param_groups": groups}


def _has_run(scheduler: Any) -> bool:
    chained = getattr(scheduler, "_schedulers", ())
    return getattr(scheduler, "last_epoch", 0) > 0 or any(map(_has_run, chained))
