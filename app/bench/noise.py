"""Random images of the size and number of MNIST: training takes as long, and nothing has to be downloaded."""

import torch

from app.common.seeds import generator
from datamodules import InMemoryDataModule
from datamodules.in_memory_data_module import Source, SplitSizes

SIDE, CLASSES = 28, 10


class Noise(InMemoryDataModule):
    """Random pixels with random labels; the last images are the test set."""

    sizes = SplitSizes(train=55_000, val=5_000, test=10_000)

    def read(self) -> Source:
        """Generate the images, always the same."""
        random = generator(0)
        pixels = torch.randint(256, (sum(self.sizes), 1, SIDE, SIDE), dtype=torch.uint8, generator=random)
        return Source(pixels, torch.randint(CLASSES, (len(pixels),), generator=random), {})


def noise(sizes: SplitSizes) -> Noise:
    """Prepared data of these sizes."""
    data = Noise()
    data.sizes = sizes  # type: ignore[misc]  # of this instance
    data.prepare()
    return data
