"""A loader that cuts batches from tensors in memory by index, with a position that can be saved."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from app.common.errors import UserError
from app.common.seeds import generator


class TensorLoader:
    """Yields tuples of rows of some tensors, with one indexing operation per tensor and batch.

    Of each global batch, process `rank` takes the rows `rank::world_size`, so that all processes together see the same
    rows as a single process. Every `__iter__` is an epoch; the order of epoch e depends on (`shuffle_seed`, e) only.
    The last short batch is kept.

    Lightning saves the position in checkpoints with its own loops and restores it. Save at the end of a training step,
    when the last batch yielded has been trained on. With `limit_train_batches`, epochs end without the loader being
    told, and resuming is not exact.

    Args:
        tensors: one or more tensors of the same length N, [N, ...]; they are not copied.
        batch_size: rows of a global batch, over all processes together.
        shuffle_seed: seed of the order of each epoch; None for the order of the tensors, in which case the batches are
            views of them.
        rank: index of this process, from 0.
        world_size: number of processes that share each batch.

    Raises:
        UserError: no rows, tensors of different lengths, or a batch of fewer rows than processes.
    """

    # Lightning calls `loader.sampler.set_epoch`, and reads `batch_sampler` where there is a `sampler`.
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
        _check(tensors, batch_size, rank, world_size)
        self.tensors = tensors
        self.batch_size = batch_size
        self.shuffle_seed = shuffle_seed
        self.rank = rank
        self.world_size = world_size
        self._epoch = 0
        self._batch = 0  # number of batches of the epoch yielded so far
        self._resuming = False  # from load_state_dict to the end of the restored epoch

    def __len__(self) -> int:
        return -(-len(self.tensors[0]) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        # A generator, so that the position changes only with the first batch: Lightning calls iter() more than once.
        epoch, first = self._begin()
        order = self._order(epoch)
        for batch in range(first, len(self)):
            self._epoch, self._batch = epoch, batch + 1
            start = batch * self.batch_size
            rows = slice(start + self.rank, start + self.batch_size, self.world_size)
            if order is None:
                found = tuple(tensor[rows] for tensor in self.tensors)
            else:
                index = order[rows]
                found = tuple(tensor.index_select(0, index) for tensor in self.tensors)
            yield self.finish(found, epoch, rows)

    @property
    def share(self) -> float:
        """The rows that this process has of the batch yielded last, over those of an equal share; 1 before any batch.

        The mean of the processes' gradients is the gradient of the batch where each is multiplied by that.
        """
        first = max(0, self._batch - 1) * self.batch_size
        rows = min(self.batch_size, len(self.tensors[0]) - first)
        return len(range(self.rank, rows, self.world_size)) * self.world_size / rows

    def finish(self, batch: tuple[Tensor, ...], epoch: int, rows: slice) -> tuple[Tensor, ...]:
        """What is yielded of a batch; a subclass may change it.

        Args:
            batch: rows of the tensors.
            epoch: from 0.
            rows: where the rows of the batch stand in the order of the epoch.
        """
        return batch

    def state_dict(self) -> dict[str, int]:
        """The position after the last batch yielded: the epoch, and the number of its batches so far."""
        return {"epoch": self._epoch, "batch": self._batch}

    def load_state_dict(self, state_dict: Mapping[str, int]) -> None:
        """Continue from a saved position; after a complete epoch, the next one begins.

        Until that epoch is complete, `__iter__` continues it instead of starting another one: after resuming at the end
        of an epoch, Lightning may take a first batch and call `iter()` again.

        Raises:
            UserError: the position is beyond the end of an epoch of this loader.
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
        """The loader itself, for Lightning to call `set_epoch`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Start at this epoch, unless `load_state_dict` or batches yielded have set the position.

        Lightning does not restore the loader's state if a checkpoint was made between epochs, but counts epochs itself.
        """
        if not self._batch and not self._resuming:
            self._epoch = epoch

    def _begin(self) -> tuple[int, int]:
        """The start of a new iteration: (epoch, batch)."""
        if self._batch == len(self) or (self._batch and not self._resuming):
            self._epoch, self._batch, self._resuming = self._epoch + 1, 0, False
        return self._epoch, self._batch

    def _order(self, epoch: int) -> Tensor | None:
        if self.shuffle_seed is None:
            return None
        order = torch.randperm(len(self.tensors[0]), generator=generator(self.shuffle_seed, epoch))
        return order.to(self.tensors[0].device)


def _check(tensors: tuple[Tensor, ...], batch_size: int, rank: int, world_size: int) -> None:
    lengths = {len(tensor) for tensor in tensors}
    if len(lengths) != 1 or 0 in lengths:
        raise UserError(f"a loader needs tensors of one length above 0, got lengths {[len(t) for t in tensors]}")
    if batch_size < 1:
        raise UserError(f"batch_size is {batch_size}; expected 1 or more")
    if not 0 <= rank < world_size:
        raise UserError(f"rank is {rank} of {world_size} processes; expected 0 to {world_size - 1}")
    rows = lengths.pop()
    for size in (min(batch_size, rows), rows % batch_size or batch_size):
        if size < world_size:
            raise UserError(
                f"batches of {batch_size} from {rows} rows include one of {size}, too few for {world_size} processes; "
                "choose another batch size or number of devices"
            )
