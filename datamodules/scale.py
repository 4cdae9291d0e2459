"""From pixels to the values that networks see."""

# N images, B of a batch, C channels, H height, W width.

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

WHITE = 255.0  # the largest value of a pixel
_AT_ONCE = 1_000  # images


class Scale(NamedTuple):
    """(pixel - mean) / std in float32, of each channel; the same bits on every device.

    Args:
        mean: float32 (C, 1, 1), in units of a pixel, 0 to 255.
        std: float32 (C, 1, 1), likewise.
    """

    mean: Tensor
    std: Tensor

    def values(self, pixels: Tensor) -> Tensor:
        """The values of pixels: uint8 (B, C, H, W), which becomes float32 of the same shape."""
        return pixels.float().sub_(self.mean).div_(self.std)

    def to(self, device: torch.device) -> "Scale":
        """The same on another device."""
        return Scale(self.mean.to(device), self.std.to(device))

    @property
    def black(self) -> Tensor:
        """The value of a pixel of 0: float32 (C, 1, 1)."""
        return self.mean.neg().div(self.std)


def to_unit(channels: int) -> Scale:
    """The scale from pixels to numbers from 0 to 1."""
    return Scale(torch.zeros(channels, 1, 1), torch.full((channels, 1, 1), WHITE))


def to_standard(pixels: Tensor) -> Scale:
    """The scale by which all values of each channel have mean 0 and standard deviation 1 over some images.

    Sums are those of integers, so that the result does not depend on the processor. A channel of one value becomes 0.

    Args:
        pixels: uint8 (N, C, H, W).
    """
    channels = pixels.shape[1]
    totals, squares = torch.zeros(2, channels, dtype=torch.int64)
    for some in torch.split(pixels, _AT_ONCE):
        numbers = some.int()
        totals += numbers.sum((0, 2, 3))
        squares += numbers.square_().sum((0, 2, 3))
    count = pixels.numel() // channels
    pairs = list(zip(totals.tolist(), squares.tolist(), strict=True))
    means = [total / count for total, _ in pairs]
    deviations = [math.sqrt(square * count - total * total) / count for total, square in pairs]
    return Scale(_by_channel(means), _by_channel([each or 1.0 for each in deviations]))


def _by_channel(numbers: Sequence[float]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1)
