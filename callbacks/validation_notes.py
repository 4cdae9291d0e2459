"""Prints what every validation of a training has measured."""

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from app.common.metrics import Schema
from callbacks.experiment_progress import ExperimentProgress


class ValidationNotes(Callback):
    """Prints what every validation measured, in a line that stays.

    Args:
        progress: where lines go.
        schema: the metrics to print; all that is logged where it is left out.
    """

    def __init__(self, progress: ExperimentProgress, schema: Schema | None) -> None:
        self.progress = progress
        self.schema = schema

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        logged = trainer.callback_metrics
        names = [name for name in logged if name != "step"] if self.schema is None else list(self.schema)
        schema = Schema() if self.schema is None else self.schema
        told = schema.write({name: float(logged[name]) for name in names if name in logged})
        self.progress.note(f"epoch {trainer.current_epoch + 1} · iteration {trainer.global_step:,} · {told}")
