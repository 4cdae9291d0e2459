"""Base class for labelled images that fit into memory: split by a seed, scaled once, batched by index."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from app.common.seeds import derive_seed
from datamodules.tensor_data_module import TensorDataModule

# N images, B images of a batch or a part, H height, W width.

# The number of test images of MNIST and CIFAR-10: Lightning's overhead occurs once, and the module processes the batch
# in parts.
EVAL_BATCH_SIZE = 10_000


class Source(NamedTuple):
    """All images of a data set, as read from disk.

    Args:
        pixels: uint8[N, channels, H, W].
        labels: int64[N].
        checksums: hex SHA-256 of the uncompressed content of each file, by file name.
    """

    pixels: Tensor
    labels: Tensor
    checksums: dict[str, str]


class Split(NamedTuple):
    """The row numbers of the images of each part: int64, ascending, disjoint."""

    train: Tensor
    val: Tensor
    test: Tensor


class SplitSizes(NamedTuple):
    """The number of images of each part."""

    train: int
    val: int
    test: int


class InMemoryDataModule(TensorDataModule, ABC):
    """Base class of image data modules: a subclass defines how to read the images and how to split them.

    Batches are pairs (images, labels): float32[B, channels, H, W] with pixels in [0, 1], and int64[B].
    The files are read once, even if several Trainers prepare the data.

    Args:
        batch_size: images of a training batch, over all processes together.
        eval_batch_size: images of an evaluation batch, over all processes together.
        seed: of the split and of the training order, until `reseed` changes them.

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
        """Split the rows by `seed` alone; the test part is the same for every seed."""

    def reseed(self, *, split: int, order: int) -> None:
        """Use new seeds for the split and the training order; an existing split is replaced.

        Loaders that exist already do not change.
        """
        if split != self._split_seed:
            self._split_seed = split
            self._parts = {}
            if self._source is not None:
                self.setup()
        self._order_seed = order

    def setup(self, stage: str | None = None) -> None:
        """Read and split the images, unless that has been done."""
        if self._source is None:
            self._source = self.read()
        if not self._parts:
            split = self.split_rows(self._source.labels, seed=self._split_seed)
            self._parts = {name: _cut(self._source, rows) for name, rows in split._asdict().items()}

    def whole(self) -> tuple[Tensor, Tensor]:
        """All images as batches have them, and their labels; available after `setup`."""
        if self._source is None:
            raise self._not_ready()
        return _cut(self._source, torch.arange(len(self._source.labels)))

    def rows(self) -> dict[str, Tensor]:
        """The row numbers of the images of each part, for the current seed of the split; available after `setup`."""
        if self._source is None:
            raise self._not_ready()
        return self.split_rows(self._source.labels, seed=self._split_seed)._asdict()

    @property
    def checksums(self) -> dict[str, str]:
        """Hex SHA-256 of the uncompressed content of each file, by file name; available after `setup`."""
        if self._source is None:
            raise self._not_ready()
        return dict(self._source.checksums)

    @property
    def split_sizes(self) -> SplitSizes:
        """The number of training, validation and test images; known before the files are read."""
        return self.sizes

    @property
    def iterations_per_epoch(self) -> int:
        """Number of training batches per epoch, including the last short one."""
        return -(-self.sizes.train // self.batch_size)


def rows_except(rows: int, *taken: Tensor) -> Tensor:
    """The row numbers below `rows` that are not in any of the tensors `taken`, ascending: int64."""
    free = torch.ones(rows, dtype=torch.bool)
    for part in taken:
        free[part] = False
    return free.nonzero().squeeze(1)


def _cut(source: Source, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The images and labels of some rows, contiguous: float32[B, channels, H, W] in [0, 1], and int64[B]."""
    return source.pixels.index_select(0, rows).float().div_(255), source.labels.index_select(0, rows)
