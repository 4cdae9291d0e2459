"""Trained weights for models that make layers when a Trainer runs them, in `setup` or `configure_model`."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.utilities.model_helpers import is_overridden
from typing_extensions import override

from app.common.states import plain_name
from app.runs.checkpoints import load_weights, read_checkpoint


def makes_layers_later(model: LightningModule) -> bool:
    """Whether the model may make layers when a Trainer runs it."""
    return is_overridden("setup", model) or is_overridden("configure_model", model)


def lacks_layers(model: LightningModule, checkpoint: Path) -> bool:
    """Whether the model will have weights of the checkpoint later, so that the two cannot be compared yet."""
    if not makes_layers_later(model):
        return False
    ours = {plain_name(name) for name in model.state_dict()}
    return any(plain_name(name) not in ours for name in read_checkpoint(checkpoint)["state_dict"])


class LateWeights(Callback):
    """Loads weights that a lottery has kept once the model has all its layers, before it is measured.

    Args:
        path: a final.safetensors.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @override
    def on_validation_start(self, trainer: Any, pl_module: LightningModule) -> None:
        load_weights(pl_module, self.path)

    @override
    def on_test_start(self, trainer: Any, pl_module: LightningModule) -> None:
        load_weights(pl_module, self.path)

    @override
    def on_predict_start(self, trainer: Any, pl_module: LightningModule) -> None:
        load_weights(pl_module, self.path)
