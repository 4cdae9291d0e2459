"""Images of 8 x 8 pixels in ten classes, for networks that have convolutions."""

import torch
from lightning.pytorch import LightningDataModule

from datamodules import TensorLoader

SIDE = 8


class TinyImages(LightningDataModule):
    """Random images with random labels, in batches of 6; an epoch has 4."""

    def __init__(self, images: int = 24) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(7)
        self.images = torch.randn(images, 3, SIDE, SIDE, generator=generator)
        self.labels = torch.randint(10, (images,), generator=generator)

    def train_dataloader(self) -> TensorLoader:
        return TensorLoader((self.images, self.labels), 6, shuffle_seed=3)

    def val_dataloader(self) -> TensorLoader:
        return TensorLoader((self.images, self.labels), 24)
