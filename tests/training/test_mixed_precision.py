"""Fused optimisers, mixed precision and clipping together."""

import pytest
import torch
from helpers.tiny import TinyData, TinyModule, tiny_trainer
from lightning.pytorch.plugins import MixedPrecision
from torch.optim import SGD, Adam

from app.common.errors import UserError
from app.training.mixed_precision import ClippingMixedPrecision, let_fused_optimizers_clip


class Fused(TinyModule):
    def configure_optimizers(self) -> Adam:
        return Adam(self.parameters(), lr=0.05, fused=True)


class Clipped(Fused):
    """Remembers the norm of the gradients after clipping."""

    norm = torch.tensor(torch.nan)

    def on_before_zero_grad(self, optimizer: Adam) -> None:
        gradients = [each.grad for each in self.parameters() if each.grad is not None]
        if gradients:
            self.norm = torch.nn.utils.get_total_norm(gradients)


def test_in_bfloat16_gradients_are_clipped() -> None:
    module = Clipped()
    trainer = tiny_trainer(max_steps=3, precision="bf16-mixed", gradient_clip_val=0.01)
    let_fused_optimizers_clip(trainer).fit(module, datamodule=TinyData())
    assert trainer.global_step == 3
    assert module.norm <= 0.01 * 1.001


def test_lightning_alone_refuses_that() -> None:
    """Else this code has no use any more."""
    with pytest.raises(RuntimeError, match="does not allow for gradient clipping"):
        tiny_trainer(max_steps=3, precision="bf16-mixed", gradient_clip_val=0.01).fit(Fused(), datamodule=TinyData())


def test_where_gradients_are_scaled_it_is_one_line() -> None:
    plugin = ClippingMixedPrecision(MixedPrecision("16-mixed", "cuda", torch.amp.GradScaler("cuda", enabled=False)))
    weight = torch.nn.Parameter(torch.zeros(3))
    with pytest.raises(UserError, match=r"gradient_clip_val: Adam with fused: true .* set fused to false"):
        plugin.clip_gradients(Adam([weight], fused=True), 0.1)
    weight.grad = torch.ones(3)
    plugin.clip_gradients(SGD([weight], 0.1), 0.1)
    assert weight.grad.norm() < 0.11


def test_other_precisions_stay_as_they_are() -> None:
    trainer = tiny_trainer(max_steps=1)
    before = trainer.strategy.precision_plugin
    assert let_fused_optimizers_clip(trainer).strategy.precision_plugin is before
