"""Stops a training early if the metric that selects the best validation is missing."""

import math
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from app.common.errors import UserError

PATIENCE = 2  # validations, from the first on, that may have no value: a metric may be undefined in the beginning


class RequiredMetric(Callback):
    """Ends a training whose validations do not log the metric that selects the best of them, or only log nan.

    Args:
        name: the metric's name.
        declared: whether the module declares the metric; it may then be missing from a validation, which counts as nan.

    Raises:
        UserError: from `fit`, at the first validation that does not log it, or at the second without a value.
    """

    def __init__(self, name: str, *, declared: bool = False) -> None:
        self.name, self.declared = name, declared
        self._found, self._nan = False, 0

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit" or self._found:
            return
        logged = trainer.callback_metrics
        if self.name in logged or (self.declared and not trainer.sanity_checking):
            self._look_at(float(logged.get(self.name, math.nan)), pl_module)
        # In its sanity check Lightning hides from callbacks what the steps of several loaders log, and nothing of the
        # training is there yet.
        elif not self.declared and not (trainer.sanity_checking and (not logged or self.name.startswith("train"))):
            raise not_logged(self.name, pl_module, logged)

    def _look_at(self, value: float, module: LightningModule) -> None:
        self._found = not math.isnan(value)
        self._nan += math.isnan(value)
        if self._nan >= PATIENCE:
            raise UserError(
                f"best.monitor is {self.name!r}, of which {type(module).__name__} has logged no number at {self._nan} "
                "validations (nan); mend the metric, or set --best.monitor to another"
            )

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"found": self._found, "nan": self._nan}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._found, self._nan = state_dict["found"], state_dict["nan"]


def not_logged(name: str, module: LightningModule, logged: Any) -> UserError:
    """The error of a module that does not log a metric.

    Args:
        name: of the metric.
        module: which does not log it.
        logged: the names of what it logs.
    """
    if logged:
        known = f"it logs {', '.join(sorted(logged))}; set --best.monitor to one of them"
    else:
        known = f'it logs nothing there; add self.log("{name}", ...) to its validation_step'
    return UserError(f"best.monitor is {name!r}, which {type(module).__name__} does not log at validations; {known}")
