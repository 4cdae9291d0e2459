"""Mixed precision in which fused optimisers clip gradients wherever that is possible."""

from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.plugins import MixedPrecision, Precision
from torch.optim import Optimizer
from typing_extensions import override

from app.common.errors import UserError


class ClippingMixedPrecision(MixedPrecision):
    """Clips gradients also for an optimiser that would unscale them itself, unless they are scaled.

    Lightning refuses that for every fused optimiser. In bfloat16 nothing is scaled, so nothing stands in the way.

    Args:
        plugin: takes the place of this one.

    Raises:
        UserError: from `fit`, in float16, where gradients are scaled.
    """

    def __init__(self, plugin: MixedPrecision) -> None:
        super().__init__(plugin.precision, plugin.device, plugin.scaler)  # type: ignore[arg-type]

    @override
    def clip_gradients(self, optimizer: Optimizer, *arguments: Any, **options: Any) -> None:
        if self.scaler is None:
            Precision.clip_gradients(self, optimizer, *arguments, **options)
            return
        try:
            super().clip_gradients(optimizer, *arguments, **options)
        except RuntimeError as error:
            raise UserError(
                f"trainer.gradient_clip_val: {type(optimizer).__name__} with fused: true unscales gradients after they "
                "are clipped; set fused to false, or trainer.precision to bf16-mixed"
            ) from error


def let_fused_optimizers_clip(trainer: Trainer) -> Trainer:
    """The same Trainer, in whose mixed precision a fused optimiser and `gradient_clip_val` work together."""
    plugin = trainer.strategy.precision_plugin
    if type(plugin) is MixedPrecision:
        trainer.strategy.precision_plugin = ClippingMixedPrecision(plugin)
    return trainer
