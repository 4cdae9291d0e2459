"""Labelled images that fit into memory: split by a seed, scaled once, batched by index."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from app.common.seeds import derive_seed
from datamodules.tensor_parts import TensorDataModule

# N images, B images of a batch or a part, H height, W width.

# As many as MNIST and CIFAR-10 have for a test: Lightning's price is paid once, and the module takes parts of it.
EVAL_BATCH_SIZE = 10_000


class Source(NamedTuple):
    """What was read from disk.

    Args:
        pixels: uint8[N, 1, H, W].
        labels: int64[N].
        checksums: SHA-256 of the unpacked content of each file read, hex, by file name.
    """

    pixels: Tensor
    labels: Tensor
    checksums: dict[str, str]


class Split(NamedTuple):
    """Row numbers, int64 and ascending, of the images of each part; no row is in two parts."""

    train: Tensor
    val: Tensor
    test: Tensor


class SplitSizes(NamedTuple):
    """How many images each part has."""

    train: int
    val: int
    test: int


class InMemoryDataModule(TensorDataModule, ABC):
    """Base of the data modules here: a subclass says how to read the images and which rows are which part.

    Batches are pairs (images, labels): float32[B, 1, H, W] with pixels in [0, 1], and int64[B].
    The files are read once, however often a Trainer prepares the data.

    Args:
        batch_size: images of a training batch, over all processes together.
        eval_batch_size: images of an evaluation batch, over all processes together.
        seed: where the split and the order are drawn from, unless `reseed` says otherwise.

    Raises:
        UserError: a batch size below 1.
    """

    sizes: ClassVar[SplitSizes]

    def __init__(self, batch_size: int = 60, eval_batch_size: int = EVAL_BATCH_SIZE, seed: int = 0) -> None:
        super().__init__(batch_size, eval_batch_size, order_seed=derive_seed(seed, 0, "order"))
        self._split_seed = derive_seed(seed, 0, "split")
        self._source: Source | None = None

    @abstractmethod
    def read(self) -> Source:
        """Read and check the files; called once.

        Raises:
            UserError: a file is missing or wrong.
        """

    @abstractmethod
    def split_rows(self, labels: Tensor, *, seed: int) -> Split:
        """Which rows are which part, by `seed` alone; the test part is the same for every seed."""

    def reseed(self, *, split: int, order: int) -> None:
        """Draw the split and the order of training from these seeds from now on; a split that exists is redone.

        Loaders made before keep what they have.
        """
        if split != self._split_seed:
            self._split_seed = split
            self._parts = {}
            if self._source is not None:
                self.setup()
        self._order_seed = order

    def setup(self, stage: str | None = None) -> None:
        """Read and split, unless that is done already."""
        if self._source is None:
            self._source = self.read()
        if not self._parts:
            split = self.split_rows(self._source.labels, seed=self._split_seed)
            self._parts = {name: _cut(self._source, rows) for name, rows in split._asdict().items()}

    @property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of the unpacked content of each file, hex, by file name; there once the data is set up."""
        if self._source is None:
            raise self._not_ready()
        return dict(self._source.checksums)

    @property
    def split_sizes(self) -> SplitSizes:
        """How many images are for training, validation and test; known before anything is read."""
        return self.sizes

    @property
    def iterations_per_epoch(self) -> int:
        """How many batches the training images make, the last short one included."""
        return -(-self.sizes.train // self.batch_size)


def rows_except(rows: int, *taken: Tensor) -> Tensor:
    """The row numbers below `rows` that are in none of the tensors `taken`, ascending: int64."""
    free = torch.ones(rows, dtype=torch.bool)
    for part in taken:
        free[part] = False
    return free.nonzero().squeeze(1)


def _cut(source: Source, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The images of some rows, contiguous: float32[B, 1, H, W] in [0, 1] and int64[B]."""
    return source.pixels.index_select(0, rows).float().div_(255), source.labels.index_select(0, rows)
