"""Gradients of batches that the processes of a training cannot share equally."""

from functools import partial

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from app.common.lightning_internals import train_loaders


class BatchShares(Callback):
    """Makes the mean of the processes' gradients the gradient of the mean over the whole batch.

    DDP averages the gradients of all processes, whatever their numbers of rows. So the gradient of a process is
    multiplied by its share of the batch over an equal share, which the loader knows (`TensorLoader.share`). The losses
    that are logged stay as they are.
    """

    @override
    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        for loader in train_loaders(trainer):
            share = getattr(loader, "share", 1.0)
            if share != 1.0 and loss.requires_grad:
                loss.register_hook(partial(torch.mul, other=share))  # type: ignore[no-untyped-call]
