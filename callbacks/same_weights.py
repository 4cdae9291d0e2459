"""Puts a module's weights back before it is measured, where its `setup` has changed them."""

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from callbacks.kept_weights import KeptWeights


class SameWeights(Callback):
    """Puts back the weights of a module that makes layers anew, or changes weights, when a Trainer measures it."""

    def __init__(self) -> None:
        self._weights = KeptWeights()

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._weights.note_given(pl_module)

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._weights.put_given(pl_module)

    @override
    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._weights.put_given(pl_module)
