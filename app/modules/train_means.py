"""Loss and accuracy of training, at next to no cost for an iteration."""

# B images of a batch, C classes, I iterations.

import torch
from torch import Tensor

COUNT_EVERY = 100


class TrainMeans:
    """Mean loss and accuracy over the images of the iterations since the last `reset`.

    An iteration only puts down what it has; answers are counted many iterations at a time, because small operations
    would take a good part of a small network's iteration. Losses are kept one by one, in float64, and added up when
    they are asked for: their sum does not depend on when a checkpoint was made.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin new means."""
        self._pending: list[tuple[Tensor, Tensor, Tensor]] = []
        self._losses = torch.zeros(0, dtype=torch.float64)
        self._counts = torch.zeros(2, dtype=torch.int64)  # right answers, images

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Take in an iteration: its mean loss, logits (B, C) and labels (B,)."""
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
        """What `means` come from.

        Returns:
            `losses`, float64 (I,), each times its images, and `counts`, int64 (2,), right answers and images.
        """
        self._count()
        return {"losses": self._losses, "counts": self._counts}

    def clear(self) -> None:
        """Count all that there is as nothing."""
        self.load({name: torch.zeros_like(value) for name, value in self.state().items()})

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a `state`."""
        self.reset()
        self._losses, self._counts = state["losses"], state["counts"]


def means(state: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Mean loss and accuracy, float64, of a `TrainMeans.state`; nan where there was no iteration."""
    right, images = state["counts"].double()
    return state["losses"].sum() / images, right / images
