"""Stops a training early if the metric that selects the best validation is missing."""

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from app.common.errors import UserError


class RequiredMetric(Callback):
    """Ends a training at its first validation if the metric that selects the best validation is not logged.

    Args:
        name: the metric's name.

    Raises:
        UserError: from `fit`, if the metric is not logged.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        logged = trainer.callback_metrics
        # In its sanity check Lightning hides from callbacks what the steps of several loaders log.
        if trainer.state.fn == "fit" and self.name not in logged and (logged or not trainer.sanity_checking):
            raise UserError(
                f"best.monitor is {self.name!r}, which {type(pl_module).__name__} does not log at validations; "
                f"it logs {', '.join(sorted(logged)) or 'nothing'}; set --best.monitor to one of them"
            )
