"""The order of the training rows of N networks."""

# N networks, R distinct orders, B rows of a batch, K batches of an epoch, M rows of all data.

from collections.abc import Sequence

import torch
from torch import Tensor

from app.common.seeds import generator


class Orders:
    """Which rows each network sees in each iteration: those that a `TensorLoader` of its own would give it.

    Args:
        rows: int64, for each network the rows of the data that it is trained on; all of one length. The same tensor for
            networks that share it.
        seeds: of the order of each network.
        batch_size: rows of a batch; the last one of an epoch may be shorter.
    """

    def __init__(self, rows: Sequence[Tensor], seeds: Sequence[int], batch_size: int) -> None:
        pairs = [(id(part), seed) for part, seed in zip(rows, seeds, strict=True)]
        distinct = list(dict.fromkeys(pairs))
        self._rows = [rows[pairs.index(pair)] for pair in distinct]
        self._seeds = [seed for _, seed in distinct]
        self._whose = torch.tensor([distinct.index(pair) for pair in pairs])
        self.batch_size = batch_size
        self.length = len(rows[0])

    @property
    def batches(self) -> int:
        """Batches of an epoch."""
        return -(-self.length // self.batch_size)

    def size(self, batch: int) -> int:
        """Rows of a batch of an epoch."""
        return min(self.batch_size, self.length - batch * self.batch_size)

    def epoch(self, epoch: int, device: torch.device) -> Tensor:
        """All batches of an epoch, int64 (K, N, B) on the device; the last is filled up with zeros."""
        orders = [
            part[torch.randperm(self.length, generator=generator(seed, epoch))]
            for part, seed in zip(self._rows, self._seeds, strict=True)
        ]
        padded = torch.zeros(len(orders), self.batches * self.batch_size, dtype=torch.int64)
        padded[:, : self.length] = torch.stack(orders)
        if device.type == "cuda":
            padded = padded.pin_memory().to(device, non_blocking=True)
        batches = padded.view(len(orders), self.batches, self.batch_size).transpose(0, 1)
        return batches.index_select(1, self._whose.to(device))
