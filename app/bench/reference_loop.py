"""The lottery's training loop in plain PyTorch: the reference for the speed of ours. Do not change it."""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from app.common.seeds import generator
from app.pruning import Masks
from datamodules import TensorLoader

EVAL_BATCH_SIZE = 1000


class Evaluation(NamedTuple):
    """Means over a set.

    Args:
        loss: in nats.
        accuracy: a fraction of 1.
    """

    loss: float
    accuracy: float


class ReferenceLoop:
    """Trains a masked network, always from the same weights.

    Args:
        net: the network.
        start: the initial state of the network.
        masks: of the weights that are kept.
        optimizer: makes the optimiser.
        train: training images; gives also the batch size and the order.
        sets: images to evaluate on.
        iterations: length of a training.
        eval_every: iterations from one evaluation to the next.

    Attributes:
        evaluations: of the last training: at each evaluation one for each of `sets`.
    """

    def __init__(
        self,
        net: nn.Module,
        start: dict[str, Tensor],
        masks: Masks,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        train: TensorLoader,
        sets: list[TensorLoader],
        *,
        iterations: int,
        eval_every: int,
    ) -> None:
        self.net = net
        self.start = start
        self.masks = [masks[name].float() for name in masks]
        self.masked = [net.get_parameter(name) for name in masks]
        self.optimizer = optimizer
        assert train.shuffle_seed is not None
        self.images, self.labels = train.tensors
        self.batch_size, self.order_seed = train.batch_size, train.shuffle_seed
        self.sets = [one.tensors for one in sets]
        self.iterations = iterations
        self.eval_every = eval_every
        self.evaluations: list[Evaluation] = []

    def __call__(self) -> float:
        """Train; return the seconds of the iterations, evaluations included."""
        self.net.load_state_dict(self.start)
        with torch.no_grad():
            for weight, mask in zip(self.masked, self.masks, strict=True):
                weight.mul_(mask)
        self.evaluations = []
        optimizer = self.optimizer(self.net.parameters())
        began = time.perf_counter()
        self._train(optimizer)
        return time.perf_counter() - began

    def _train(self, optimizer: Optimizer) -> None:
        iteration = epoch = 0
        while True:
            order = torch.randperm(len(self.images), generator=generator(self.order_seed, epoch))
            for rows in torch.split(order, self.batch_size):
                optimizer.zero_grad()
                images, labels = self.images.index_select(0, rows), self.labels.index_select(0, rows)
                F.cross_entropy(self.net(images), labels).backward()  # type: ignore[no-untyped-call]
                for weight, mask in zip(self.masked, self.masks, strict=True):
                    assert weight.grad is not None
                    weight.grad.mul_(mask)
                optimizer.step()
                with torch.no_grad():
                    for weight, mask in zip(self.masked, self.masks, strict=True):
                        weight.mul_(mask)
                iteration += 1
                if iteration % self.eval_every == 0:
                    self.evaluations += [self._evaluate(*one) for one in self.sets]
                if iteration == self.iterations:
                    return
            epoch += 1

    @torch.no_grad()
    def _evaluate(self, images: Tensor, labels: Tensor) -> Evaluation:
        loss, right = 0.0, 0
        for batch, its_labels in zip(*(torch.split(one, EVAL_BATCH_SIZE) for one in (images, labels)), strict=True):
            logits = self.net(batch)
            loss += F.cross_entropy(logits, its_labels, reduction="sum").item()
            right += int((logits.argmax(1) == its_labels).sum())
        return Evaluation(loss / len(images), right / len(images))


@torch.no_grad()
def forward_alone(net: nn.Module, sets: list[TensorLoader]) -> None:
    """The forward pass over all images of some sets: the least work that an evaluation can do."""
    for one in sets:
        for images in torch.split(one.tensors[0], EVAL_BATCH_SIZE):
            net(images)
