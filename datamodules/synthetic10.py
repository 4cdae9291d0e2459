"""Ten kinds of textures, drawn from a seed: images of CIFAR-10's size without a download."""

import hashlib
import math

import torch
from torch import Tensor

from app.common.seeds import generator
from datamodules.image_format import check_side, reformat
from datamodules.in_memory_data_module import (
    EVAL_BATCH_SIZE,
    InMemoryDataModule,
    Source,
    SplitSizes,
)

# N images, side S.
SIDE, CLASSES = 32, 10
ANGLES, WAVES = 5, (3.0, 5.5)  # directions of the waves, and how many of them a side has; each pair is a class
CONTRAST, NOISE = 0.35, 0.1  # of the waves, and standard deviation of the noise; pixels are from 0 to 1
DRAWN_FROM = 0

TURN, ONE = 1 << 12, 1 << 12  # integers for a whole turn, or the range of a pixel; and for 1
NOISES = 4  # uniform numbers whose sum is a noise, of nearly normal distribution
NOISES_STD = math.sqrt(NOISES / 12)  # standard deviation of that sum, for numbers from 0 to 1
AT_ONCE = 1_000  # images


class Synthetic10(InMemoryDataModule):
    """Ten classes of waves of one direction and one length, in random colours and phases, with noise.

    4,000 images for training, 500 for validation, 500 for test; always the same ones. The validation images are chosen
    at random from the first 4,500, by the split seed. Batches are standardised by channel. A Conv-2 learns them in a
    minute on two cores.

    Args:
        batch_size: images of a training batch, over all processes together.
        eval_batch_size: images of an evaluation batch, over all processes together.
        seed: of the split and of the training order, until `reseed` changes them.
        train_images: use so many of the training images, drawn by the split seed; None for all.
        val_images: likewise, of the validation images.
        test_images: likewise, of the test images, but the same ones for every seed.
        gray: make the images gray.
        side: take this many rows and columns at the centre of the images, 28 for the size of MNIST; None for all 32.

    Raises:
        UserError: a batch size or a number of images that is impossible.
    """

    sizes = SplitSizes(train=4_000, val=500, test=500)
    standardised = True

    def __init__(
        self,
        batch_size: int = 60,
        eval_batch_size: int = EVAL_BATCH_SIZE,
        seed: int = 0,
        train_images: int | None = None,
        val_images: int | None = None,
        test_images: int | None = None,
        gray: bool = False,
        side: int | None = None,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            seed=seed,
            train_images=train_images,
            val_images=val_images,
            test_images=test_images,
        )
        check_side(side, SIDE)
        self.gray = gray
        self.side = side

    def read(self) -> Source:
        """Draw the images; their checksum says if another version of torch draws others."""
        pixels, labels = texture_images(sum(self.sizes), DRAWN_FROM)
        sha256 = hashlib.sha256(pixels.numpy().tobytes() + labels.numpy().tobytes()).hexdigest()
        return Source(reformat(pixels, gray=self.gray, side=self.side), labels, {"synthetic10": sha256})


def texture_images(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images of classes that take turns, computed with integers: the same bits on every processor.

    Args:
        count: N.
        seed: of colours, phases and noise.

    Returns:
        Pixels uint8 (N, 3, S, S), and labels int64 (N,).
    """
    random = generator(seed)
    labels = torch.arange(count) % CLASSES
    phases = torch.randint(TURN, (count, 1, 1), generator=random)
    colours = torch.randint(-ONE, ONE + 1, (count, 3, 1, 1), generator=random)
    pixels = torch.empty(count, 3, SIDE, SIDE, dtype=torch.uint8)
    sine, waves = _sine(), torch.stack([_turns(label) for label in range(CLASSES)])
    for some in torch.split(torch.arange(count), AT_ONCE):
        pattern = sine[(waves[labels[some]] + phases[some]) % TURN].unsqueeze(1)
        noise = sum(torch.randint(TURN, (len(some), 3, SIDE, SIDE), generator=random) for _ in range(NOISES))
        assert isinstance(noise, Tensor)
        # In units of 1 / TURN of the range of a pixel.
        light = colours[some] * pattern * round(CONTRAST * TURN) // (ONE * ONE)
        light += (noise - NOISES * TURN // 2) * round(NOISE * TURN / NOISES_STD) // TURN
        pixels[some] = ((light + TURN // 2).clamp_(0, TURN) * 255 // TURN).to(torch.uint8)
    return pixels, labels


def _sine() -> Tensor:
    """The sine of each part of a turn, int64 (TURN,), in units of 1 / ONE."""
    return torch.tensor([round(math.sin(2 * math.pi * part / TURN) * ONE) for part in range(TURN)])


def _turns(label: int) -> Tensor:
    """How far the waves of a class have turned at each pixel, int64 (S, S), in parts of a turn."""
    angle, waves = math.pi * (label % ANGLES) / ANGLES, WAVES[label // ANGLES]
    across, down = (waves * each(angle) * TURN / (SIDE - 1) for each in (math.cos, math.sin))
    return torch.tensor([[round(across * x + down * y) for x in range(SIDE)] for y in range(SIDE)])
