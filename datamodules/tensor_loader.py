"""Batches cut by index from tensors that lie in memory, with a position that can be saved."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from app.common.errors import UserError
from app.common.seeds import generator


class TensorLoader:
    """Yields tuples of rows of some tensors, one indexing operation per tensor and batch.

    Of each global batch, process `rank` takes the rows `rank::world_size`: together the processes see what one
    would see alone. Every `__iter__` is an epoch; the order of epoch e depends on (`shuffle_seed`, e) only. The last
    short batch is kept.

    The position survives a checkpoint: Lightning saves and restores it with its own loops. Save at the end of a
    training step, when the last batch yielded has also been learned from. A `limit_train_batches` cuts epochs
    without this loader's knowledge; resuming such a training is not exact.

    Args:
        tensors: one or more tensors of the same length N, [N, ...]; they are not copied.
        batch_size: rows of a global batch, over all processes together.
        shuffle_seed: where the order of each epoch comes from; None for the order of the tensors, in which case the
            batches are views of them.
        rank: which process this is, from 0.
        world_size: how many processes share each batch.

    Raises:
        UserError: nothing to yield, tensors of different lengths, or a batch that the processes cannot share. A
            shuffled loader asks for equal shares, because the mean of the processes' gradients is the gradient of
            the batch only then; one in order asks for at least a row each.
    """

    # Lightning tells the epoch to `loader.sampler.set_epoch`, and reads `batch_sampler` where it finds a `sampler`.
    batch_sampler = None

    def __init__(
        self,
        tensors: tuple[Tensor, ...],
        batch_size: int,
        *,
        shuffle_seed: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        _check(tensors, batch_size, rank, world_size, shuffled=shuffle_seed is not None)
        self.tensors = tensors
        self.batch_size = batch_size
        self.shuffle_seed = shuffle_seed
        self.rank = rank
        self.world_size = world_size
        self._epoch = 0
        self._batch = 0  # how many batches of the epoch have been yielded
        self._resuming = False  # from load_state_dict to the end of the epoch it led into

    def __len__(self) -> int:
        return -(-len(self.tensors[0]) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        # A generator: nothing moves before the first batch is asked for, because Lightning calls iter() more than once.
        epoch, first = self._begin()
        order = self._order(epoch)
        for batch in range(first, len(self)):
            self._epoch, self._batch = epoch, batch + 1
            start = batch * self.batch_size
            rows = slice(start + self.rank, start + self.batch_size, self.world_size)
            if order is None:
                yield tuple(tensor[rows] for tensor in self.tensors)
            else:
                index = order[rows]
                yield tuple(tensor.index_select(0, index) for tensor in self.tensors)

    def state_dict(self) -> dict[str, int]:
        """The position after the last batch yielded: the epoch and how many of its batches are past."""
        return {"epoch": self._epoch, "batch": self._batch}

    def load_state_dict(self, state_dict: Mapping[str, int]) -> None:
        """Go on from a saved position; an epoch that was complete there leads into the next one.

        Until that epoch is complete, `__iter__` goes on in it instead of starting another: resumed at the end of an
        epoch, Lightning may take a first batch and call `iter()` again.

        Raises:
            UserError: the position lies beyond the end of an epoch of this loader.
        """
        epoch, batch = state_dict["epoch"], state_dict["batch"]
        if epoch < 0 or not 0 <= batch <= len(self):
            raise UserError(
                f"the checkpoint was made after batch {batch} of epoch {epoch}, but an epoch has {len(self)} batches "
                "here; resume with the data and the batch_size that it was made with"
            )
        self._epoch, self._batch = (epoch + 1, 0) if batch == len(self) else (epoch, batch)
        self._resuming = True

    @property
    def sampler(self) -> "TensorLoader":
        """Itself: what `set_epoch` is called on."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Start at this epoch, unless the position is known better: from `load_state_dict` or from batches yielded.

        Lightning drops the loader's state where a checkpoint was made between epochs, but counts epochs itself.
        """
        if not self._batch and not self._resuming:
            self._epoch = epoch

    def _begin(self) -> tuple[int, int]:
        """Where the iteration that begins now starts: (epoch, batch)."""
        if self._batch == len(self) or (self._batch and not self._resuming):
            self._epoch, self._batch, self._resuming = self._epoch + 1, 0, False
        return self._epoch, self._batch

    def _order(self, epoch: int) -> Tensor | None:
        if self.shuffle_seed is None:
            return None
        order = torch.randperm(len(self.tensors[0]), generator=generator(self.shuffle_seed, epoch))
        return order.to(self.tensors[0].device)


def _check(tensors: tuple[Tensor, ...], batch_size: int, rank: int, world_size: int, *, shuffled: bool) -> None:
    lengths = {len(tensor) for tensor in tensors}
    if len(lengths) != 1 or 0 in lengths:
        raise UserError(f"a loader needs tensors of one length above 0, got lengths {[len(t) for t in tensors]}")
    if batch_size < 1:
        raise UserError(f"batch_size is {batch_size}; expected 1 or more")
    if not 0 <= rank < world_size:
        raise UserError(f"rank is {rank} of {world_size} processes; expected 0 to {world_size - 1}")
    rows = lengths.pop()
    for size in (min(batch_size, rows), rows % batch_size or batch_size):
        if shuffled and size % world_size:
            raise UserError(
                f"batches of {batch_size} from {rows} rows include one of {size}, which {world_size} processes cannot "
                "share equally; choose another batch_size or number of devices"
            )
        if size < world_size:
            raise UserError(
                f"batches of {batch_size} from {rows} rows include one of {size}, too few for {world_size} processes; "
                "choose another batch size or number of devices"
            )
