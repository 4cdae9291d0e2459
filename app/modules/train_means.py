"""Mean training loss and accuracy, at very little cost per iteration."""

# B images of a batch, C classes, I iterations.

import torch
from torch import Tensor

COUNT_EVERY = 100


class TrainMeans:
    """Mean loss and accuracy over the images of the iterations since the last `reset`.

    An iteration only stores its tensors; correct answers are counted for `COUNT_EVERY` iterations at once, because
    small operations would take a large part of a small network's iteration. The losses are stored one by one, in
    float64, and summed when they are asked for: so their sum does not depend on when a checkpoint was saved.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all iterations so far."""
        self._pending: list[tuple[Tensor, Tensor, Tensor]] = []
        self._losses = torch.zeros(0, dtype=torch.float64)
        self._counts = torch.zeros(2, dtype=torch.int64)  # correct answers, images

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add an iteration: its mean loss, logits (B, C) and labels (B,)."""
        self._pending.append((loss.detach(), logits.detach(), labels))
        if len(self._pending) == COUNT_EVERY:
            self._count()

    def _count(self) -> None:
        if not self._pending:
            return
        losses, logits, labels = zip(*self._pending, strict=True)
        self._pending = []
        device, sizes = losses[0].device, torch.tensor([len(x) for x in labels])
        right = (torch.cat(logits).argmax(1) == torch.cat(labels)).sum()
        weighted = torch.stack(losses).double() * sizes.to(device)
        self._losses = torch.cat([self._losses.to(device), weighted])
        self._counts = self._counts.to(device) + torch.stack([right, sizes.sum().to(device)])

    def state(self) -> dict[str, Tensor]:
        """The values that `means` needs, for checkpoints and for summing over ranks.

        Returns:
            `losses`, float64 (I,), each multiplied by its number of images; `counts`, int64 (2,), correct answers and
            images.
        """
        self._count()
        return {"losses": self._losses, "counts": self._counts}

    def clear(self) -> None:
        """Reset the sums to zero, but keep the number of iterations: all ranks must have tensors of the same shape."""
        self.load({name: torch.zeros_like(value) for name, value in self.state().items()})

    def load(self, state: dict[str, Tensor]) -> None:
        """Continue from a `state`."""
        self.reset()
        self._losses, self._counts = state["losses"], state["counts"]


def means(state: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Mean loss and accuracy, float64, of a `TrainMeans.state`; nan without any iteration."""
    right, images = state["counts"].double()
    return state["losses"].sum() / images, right / images
