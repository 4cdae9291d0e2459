"""Images of nothing, as large and as many as MNIST's: a loop takes as long over them, and nothing is downloaded."""

import torch
from torch import Tensor

from app.common.seeds import generator
from datamodules import InMemoryDataModule
from datamodules.in_memory import Source, Split, SplitSizes, rows_except

SIDE, CLASSES = 28, 10


class Noise(InMemoryDataModule):
    """Random pixels with random labels; the first are to train on, the last to test on."""

    sizes = SplitSizes(train=55_000, val=5_000, test=10_000)

    def read(self) -> Source:
        """Draw them, always the same."""
        random = generator(0)
        pixels = torch.randint(256, (sum(self.sizes), 1, SIDE, SIDE), dtype=torch.uint8, generator=random)
        return Source(pixels, torch.randint(CLASSES, (len(pixels),), generator=random), {})

    def split_rows(self, labels: Tensor, *, seed: int) -> Split:
        """The last rows to test on; validation drawn from the others."""
        rest = len(labels) - self.sizes.test
        val = torch.randperm(rest, generator=generator(seed))[: self.sizes.val].sort().values
        return Split(train=rows_except(rest, val), val=val, test=torch.arange(rest, len(labels)))


def noise(sizes: SplitSizes) -> Noise:
    """So many of them, ready."""
    data = Noise()
    data.sizes = sizes  # type: ignore[misc]  # of this one
    data.prepare()
    return data
