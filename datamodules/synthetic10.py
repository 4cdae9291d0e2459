"""Ten kinds of textures, drawn from a seed: images of CIFAR-10's size without a download."""

import hashlib
import math

import torch
from torch import Tensor

from app.common.seeds import generator
from datamodules.in_memory_data_module import (
    EVAL_BATCH_SIZE,
    InMemoryDataModule,
    Source,
    Split,
    SplitSizes,
    split_last,
)

# N images, side S.
SIDE, CLASSES = 32, 10
ANGLES, WAVES = 5, (3.0, 5.5)  # directions of the waves, and how many of them a side has; each pair is a class
CONTRAST, NOISE = 0.35, 0.2  # of the waves, and standard deviation of the noise; pixels are from 0 to 1
DRAWN_FROM = 0


class Synthetic10(InMemoryDataModule):
    """Ten classes of waves of one direction and one length, in random colours and phases, with noise.

    4,000 images for training, 500 for validation, 500 for test; always the same ones. The validation images are chosen
    at random from the first 4,500, by the split seed. A Conv-2 learns them in a minute on a CPU.

    Args:
        batch_size: images of a training batch, over all processes together.
        eval_batch_size: images of an evaluation batch, over all processes together.
        seed: of the split and of the training order, until `reseed` changes them.

    Raises:
        UserError: a batch size below 1.
    """

    sizes = SplitSizes(train=4_000, val=500, test=500)

    def __init__(self, batch_size: int = 60, eval_batch_size: int = EVAL_BATCH_SIZE, seed: int = 0) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, seed=seed)

    def read(self) -> Source:
        """Draw the images; their checksum says if another version of torch draws others."""
        pixels, labels = draw(sum(self.sizes), DRAWN_FROM)
        sha256 = hashlib.sha256(pixels.numpy().tobytes() + labels.numpy().tobytes()).hexdigest()
        return Source(pixels, labels, {"synthetic10": sha256})

    def split_rows(self, labels: Tensor, *, seed: int) -> Split:
        """Test: the last rows. Validation: chosen at random from the others."""
        return split_last(len(labels), self.sizes, seed=seed)


def draw(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images of classes that take turns.

    Args:
        count: N.
        seed: of colours, phases and noise.

    Returns:
        Pixels uint8 (N, 3, S, S), and labels int64 (N,).
    """
    random = generator(seed)
    labels = torch.arange(count) % CLASSES
    angles = math.pi * (labels % ANGLES) / ANGLES
    waves = torch.tensor(WAVES)[labels // ANGLES]
    x = torch.linspace(0, 1, SIDE)
    along = torch.cos(angles).view(-1, 1, 1) * x + torch.sin(angles).view(-1, 1, 1) * x.view(-1, 1)
    phases = torch.rand(count, 1, 1, generator=random)
    pattern = torch.sin(2 * math.pi * (waves.view(-1, 1, 1) * along + phases)).unsqueeze(1)
    colours = 2 * torch.rand(count, 3, 1, 1, generator=random) - 1
    noise = torch.randn(count, 3, SIDE, SIDE, generator=random)
    images = 0.5 + CONTRAST * colours * pattern + NOISE * noise
    return images.clamp(0, 1).mul(255).round().to(torch.uint8), labels
