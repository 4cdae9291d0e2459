"""The checkpoint of the best validation."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from typing_extensions import override

from app.runs.best_validation import BestValidation
from app.runs.layout import TrainingLayout


class BestCheckpoint(ModelCheckpoint):
    """Saves best.ckpt of a training in a directory.

    A class of its own, because Lightning takes two ModelCheckpoints that monitor the same metric for one: a user's may.

    Args:
        files: of the training.
        best: which validation is the best.
    """

    def __init__(self, files: TrainingLayout, best: BestValidation) -> None:
        super().__init__(
            files.root,
            filename=files.best.stem,
            monitor=best.monitor,
            mode=best.mode,
            enable_version_counter=False,
            save_on_train_epoch_end=False,
        )

    @override
    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Take over the state from a checkpoint that was made when this was a plain ModelCheckpoint."""
        states = checkpoint["callbacks"]
        former = self.state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)
        if self.state_key not in states and former in states:
            states[self.state_key] = states[former]
