"""Base class for labelled images that fit into memory: split by a seed, scaled, batched by index."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from typing_extensions import override

from app.common.errors import UserError
from app.common.seeds import derive_seed, generator
from datamodules.image_loader import ImageLoader
from datamodules.scale import Scale, to_standard, to_unit
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
    """Base class of image data modules: a subclass defines how to read the images, and may define how to split them.

    Batches are pairs (images, labels): float32[B, channels, H, W] and int64[B]. Pixels become numbers from 0 to 1 or,
    where a subclass sets `standardised`, (pixel - mean) / std with mean and standard deviation of each channel over all
    images outside the test part, which are the same for every split. The files are read once, even if several Trainers
    prepare the data.

    Args:
        batch_size: images of a training batch, over all processes together.
        eval_batch_size: images of an evaluation batch, over all processes together.
        seed: of the split and of the training order, until `reseed` changes them.
        augment: flip, pad and crop the training images, each time in another way; evaluations see them as they are.
        train_images: use so many of the training images, drawn by the split seed; None for all.
        val_images: likewise, of the validation images.
        test_images: likewise, of the test images, but the same ones for every seed.

    Raises:
        UserError: a batch size below 1, or more images than there are.
    """

    sizes: ClassVar[SplitSizes]
    standardised: ClassVar[bool] = False
    bytes_on_gpu: ClassVar[bool] = False  # keep bytes on a GPU, a quarter of the memory, and scale each batch there

    def __init__(
        self,
        batch_size: int = 60,
        eval_batch_size: int = EVAL_BATCH_SIZE,
        seed: int = 0,
        *,
        augment: bool = False,
        train_images: int | None = None,
        val_images: int | None = None,
        test_images: int | None = None,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, order_seed=derive_seed(seed, 0, "order"))
        self.augment = augment
        self._split_seed = derive_seed(seed, 0, "split")
        self._source: Source | None = None
        self._scale: Scale | None = None
        self._wanted = (train_images, val_images, test_images)
        for name, wanted, there in zip(SplitSizes._fields, self._wanted, self.sizes, strict=True):
            if wanted is not None and not 1 <= wanted <= there:
                raise UserError(f"data.{name}_images is {wanted}; expected 1 to {there}, or null for all of them")

    @abstractmethod
    def read(self) -> Source:
        """Read and check the files; called once.

        Raises:
            UserError: a file is missing or wrong.
        """

    def split_rows(self, labels: Tensor, *, seed: int) -> Split:
        """Split all rows by `seed` alone; the test part is the same for every seed.

        Where a subclass does not say otherwise it is the last rows, and validation is drawn from the others.
        """
        rest = len(labels) - self.sizes.test
        val = torch.randperm(rest, generator=generator(seed))[: self.sizes.val].sort().values
        return Split(train=rows_except(rest, val), val=val, test=torch.arange(rest, len(labels)))

    def reseed(self, *, split: int, order: int) -> None:
        """Use new seeds for the split and the training order; an existing split is replaced.

        Loaders that exist already do not change.
        """
        if split != self._split_seed:
            self._split_seed = split
            self._parts = {}
        self._order_seed = order

    def setup(self, stage: str | None = None) -> None:
        """Read the images, unless that has been done."""
        if self._source is None:
            self._source = self.read()

    def whole(self) -> tuple[Tensor, Tensor]:
        """All images as batches have them without augmentation, and their labels; available after `setup`."""
        source = self._read()
        return self.scale.values(source.pixels), source.labels

    def rows(self) -> dict[str, Tensor]:
        """The row numbers of the images of each part, for the current seed of the split; available after `setup`."""
        split = self.split_rows(self._read().labels, seed=self._split_seed)
        seeds = (self._split_seed, self._split_seed, 0)
        return {
            name: rows if wanted is None else _draw(rows, wanted, generator(seed, number))
            for number, (name, rows, wanted, seed) in enumerate(
                zip(SplitSizes._fields, split, self._wanted, seeds, strict=True), start=1
            )
        }

    @property
    def scale(self) -> Scale:
        """How pixels become values; available after `setup`."""
        pixels, labels, _ = self._read()
        if self._scale is None:
            if self.standardised:
                rest = rows_except(len(labels), self.split_rows(labels, seed=self._split_seed).test)
                self._scale = to_standard(pixels.index_select(0, rest))
            else:
                self._scale = to_unit(pixels.shape[1])
        return self._scale

    @property
    def checksums(self) -> dict[str, str]:
        """Hex SHA-256 of the uncompressed content of each file, by file name; available after `setup`."""
        return dict(self._read().checksums)

    @property
    def split_sizes(self) -> SplitSizes:
        """The number of training, validation and test images; known before the files are read."""
        pairs = zip(self._wanted, self.sizes, strict=True)
        return SplitSizes(*(there if wanted is None else wanted for wanted, there in pairs))

    @property
    def iterations_per_epoch(self) -> int:
        """Number of training batches per epoch, including the last short one."""
        return -(-self.split_sizes.train // self.batch_size)

    def _read(self) -> Source:
        if self._source is None:
            raise self._not_ready()
        return self._source

    @override
    def _part(self, name: str) -> tuple[Tensor, ...]:
        """Images and labels of a part: bytes where these are wanted on the device of the trainer, else float32."""
        source = self._read()
        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        as_bytes = on_gpu and self.bytes_on_gpu
        if name not in self._parts or as_bytes != (self._parts[name][0].dtype == torch.uint8):
            rows = self.rows()[name]
            pixels = source.pixels.index_select(0, rows)
            images = pixels if as_bytes else self.scale.values(pixels)
            self._parts[name] = images, source.labels.index_select(0, rows)
        return self._parts[name]

    @override
    def _make_loader(self, part: tuple[Tensor, ...], batch_size: int, shuffle_seed: int | None) -> ImageLoader:
        rank, world_size = self._rank()
        images, labels = part
        return ImageLoader(
            images,
            labels,
            batch_size,
            self.scale,
            shuffle_seed=shuffle_seed,
            augment=self.augment and shuffle_seed is not None,
            rank=rank,
            world_size=world_size,
        )


def rows_except(rows: int, *taken: Tensor) -> Tensor:
    """The row numbers below `rows` that are not in any of the tensors `taken`, ascending: int64."""
    free = torch.ones(rows, dtype=torch.bool)
    for part in taken:
        free[part] = False
    return free.nonzero().squeeze(1)


def _draw(rows: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Some of the rows, ascending."""
    return rows[torch.randperm(len(rows), generator=random)[:count].sort().values]
