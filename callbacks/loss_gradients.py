"""Gradients of a module's training loss on one batch, outside of a training loop."""

import copy
import warnings
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from app.common.errors import UserError
from app.common.states import plain_parameters


class LossGradients:
    """Computes the gradients when it is called, on a copy of the module, so that the module itself does not change.

    Args:
        module: its `training_step` returns the loss.
        make_batch: returns a batch as the loader yields it, or None if there is no batch.
    """

    def __init__(self, module: LightningModule, make_batch: Callable[[], Any]) -> None:
        self.module = module
        self.make_batch = make_batch

    def __call__(self) -> dict[str, Tensor]:
        """Compute the gradients.

        Returns:
            The gradients by plain parameter name, on the CPU, without parameters that the loss does not depend on.

        Raises:
            UserError: there is no batch, or `training_step` returns no loss.
        """
        batch = self.make_batch()
        if batch is None:
            raise UserError("this score needs gradients, which need a batch; call next_round(module, make_batch=...)")
        module = copy.deepcopy(self.module)  # a training step may change buffers, sums and states
        batch = module.transfer_batch_to_device(batch, module.device, 0)
        module.train()
        with torch.random.fork_rng(), torch.enable_grad(), warnings.catch_warnings():
            # The copy has no Trainer; what it logs is not needed.
            warnings.filterwarnings("ignore", message=r"You are trying to `self\.log\(\)`")
            torch.manual_seed(0)
            loss = module.training_step(batch, 0)
            loss = loss["loss"] if isinstance(loss, dict) else loss
            if not isinstance(loss, Tensor):
                raise UserError(f"{type(module).__name__}.training_step returns no loss; this score needs one")
            loss.backward()  # type: ignore[no-untyped-call]
        parameters = plain_parameters(module)
        return {name: each.grad.detach().cpu() for name, each in parameters.items() if each.grad is not None}
