"""A loader of images that may be kept as bytes, and may be changed at random."""

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.augmentation import draw_changes, flip_and_crop
from datamodules.scale import Scale
from datamodules.tensor_loader import TensorLoader


class ImageLoader(TensorLoader):
    """Batches of a `TensorLoader`; images in bytes are scaled here, and with `augment` they are flipped and cropped.

    The changes of an epoch are drawn at once from (`shuffle_seed`, epoch), so that they belong to places in its order:
    processes that share a batch share its draw, and an epoch that is gone on with has the same ones.

    Args:
        images: uint8 or float32 (N, C, H, W); bytes become float32 batch by batch.
        labels: int64 (N,).
        batch_size: images of a global batch, over all processes together.
        scale: of the images; of bytes it makes values, and it says which value black has.
        shuffle_seed: seed of the order and of the changes of each epoch; None for the order of the tensors.
        augment: flip and crop; needs a `shuffle_seed`.
        rank: index of this process, from 0.
        world_size: number of processes that share each batch.

    Raises:
        UserError: as `TensorLoader`.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        scale: Scale,
        *,
        shuffle_seed: int | None = None,
        augment: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__((images, labels), batch_size, shuffle_seed=shuffle_seed, rank=rank, world_size=world_size)
        self.scale = scale.to(images.device)
        self.augment = augment
        self._black = self.scale.black
        self._drawn: tuple[int, Tensor] | None = None  # an epoch, and the changes of all its images

    @override
    def finish(self, batch: tuple[Tensor, ...], epoch: int, rows: slice) -> tuple[Tensor, ...]:
        images, labels = batch
        if images.dtype == torch.uint8:
            images = self.scale.values(images)
        if self.augment:
            images = flip_and_crop(images, self._changes(epoch)[:, rows], self._black)
        return images, labels

    def _changes(self, epoch: int) -> Tensor:
        if self._drawn is None or self._drawn[0] != epoch:
            assert self.shuffle_seed is not None
            changes = draw_changes(len(self.tensors[0]), self.shuffle_seed, epoch)
            self._drawn = epoch, changes.to(self.tensors[0].device)
        return self._drawn[1]
