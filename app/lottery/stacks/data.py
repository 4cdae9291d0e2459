"""The data of networks that are trained at once."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from app.common import protocols
from app.common.errors import UserError
from app.common.seeds import generator
from app.lottery.job import Job


class StackData(NamedTuple):
    """All images once, and which of them each network has.

    Args:
        images: (M, ...).
        labels: int64 (M,).
        rows: of the parts "train", "val" and "test", for each network; networks of one split share them.
        batch_size: of training batches.
    """

    images: Tensor
    labels: Tensor
    rows: list[dict[str, Tensor]]
    batch_size: int

    def groups(self, part: str) -> list[tuple[Tensor, range]]:
        """The distinct sets of rows of a part, each with the networks that have it, which stand beside each other."""
        found: list[tuple[Tensor, range]] = []
        for number, rows in enumerate(self.rows):
            if found and (found[-1][0] is rows[part] or torch.equal(found[-1][0], rows[part])):
                found[-1] = (found[-1][0], range(found[-1][1].start, number + 1))
            else:
                found.append((rows[part], range(number, number + 1)))
        return found


class Gathered:
    """What is known of the data of a lottery; read and checked once for each split and order."""

    def __init__(self) -> None:
        self.whole: tuple[Tensor, Tensor] | None = None
        self.splits: dict[tuple[int, int], dict[str, Tensor]] = {}


def gather(data: LightningDataModule, jobs: Sequence[Job], known: Gathered | None = None) -> StackData:
    """The data of some networks.

    Args:
        data: keeps all rows in memory (`Indexed`).
        jobs: the networks.
        known: from earlier calls; added to.

    Raises:
        UserError: its loaders yield something else than its rows, in the order that their seeds say.
    """
    assert isinstance(data, protocols.Indexed)
    known = Gathered() if known is None else known
    known.whole = data.whole() if known.whole is None else known.whole
    splits, (images, labels) = known.splits, known.whole
    trainer, data.trainer = data.trainer, None  # of a trainer, data asks which rank it is
    try:
        for job in jobs:
            seeds = job.seeds["split"], job.seeds["order"]
            if seeds not in splits:
                protocols.reseed(data, split=seeds[0], order=seeds[1])
                data.setup("fit")
                splits[seeds] = dict(data.rows())
                _check(data, images, labels, splits[seeds], seeds[1])
    finally:
        data.trainer = trainer
    rows = [splits[job.seeds["split"], job.seeds["order"]] for job in jobs]
    return StackData(images, labels, rows, data.batch_size)


def _check(data: LightningDataModule, images: Tensor, labels: Tensor, rows: dict[str, Tensor], seed: int) -> None:
    """A subclass may change its loaders: compare the first batch of each."""
    assert isinstance(data, protocols.Indexed)
    size = data.batch_size
    train, evaluated = data.train_dataloader(), data.val_dataloader()
    order = rows["train"][torch.randperm(len(rows["train"]), generator=generator(seed, 0))]
    expected = [order, rows["val"], rows["test"]]
    loaders = [train, *(evaluated if isinstance(evaluated, list | tuple) else [evaluated])]
    same = len(loaders) == len(expected)
    for loader, part in zip(loaders, expected, strict=False):
        their_images, their_labels = (tensor.cpu() for tensor in next(iter(loader)))
        first = part[: len(their_labels)]
        same = same and torch.equal(their_images, images[first]) and torch.equal(their_labels, labels[first])
    if not same or len(train) != -(-len(order) // size) or len(next(iter(train))[1]) != min(size, len(order)):
        raise UserError(
            f"pruning.stack trains networks at once, and the loaders of {type(data).__name__} yield something else than"
            " its images in the order of their seeds; choose --pruning.stack 1"
        )
