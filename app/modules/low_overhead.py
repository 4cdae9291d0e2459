"""What an iteration of any module need not do."""

from typing import Any

from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch.optim import Optimizer
from typing_extensions import override


class LeanModule(LightningModule):
    """A LightningModule with less to do in every iteration, which counts where networks are small."""

    @override
    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes the hook it is in some forty times an iteration; PyTorch would ask each time whether this is a
        # parameter, a module or a buffer.
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    @override
    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer | LightningOptimizer) -> None:
        """Forget the gradients, without the profiler's record that PyTorch makes of it."""
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
