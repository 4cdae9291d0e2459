"""Loaders of windows over a long text, which is cut into parallel columns; the position can be saved."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from app.common.errors import UserError
from app.common.seeds import generator
from datamodules.tensor_loader import TensorLoader

# Everything is time-major: T words of a window, B columns. N words of a text.

# How the authors sample the length of a window (`main.py`, after Merity et al. 2017, arXiv 1708.02182, section 5).
SHORT_SHARE = 0.05  # fraction of windows with half the length
LENGTH_STD = 5.0
MIN_LENGTH = 5


class Window(NamedTuple):
    """Some consecutive rows of the columns.

    Args:
        inputs: int64[T, B].
        targets: the word after each input, int64[T, B].
        drawn: the sampled length; T is smaller if the text ends before.
        bptt: the usual length; the learning rate is for this length, and is scaled by drawn / bptt.
    """

    inputs: Tensor
    targets: Tensor
    drawn: int
    bptt: int


def columns(stream: Tensor, batch_size: int) -> Tensor:
    """Cut a text into columns of equal length, as the authors' `batchify` does.

    Args:
        stream: int64[N].
        batch_size: number of columns.

    Returns:
        int64[N // batch_size, batch_size]; left-over words are dropped. The text continues from column b to b + 1.
    """
    rows = len(stream) // batch_size
    return stream[: rows * batch_size].view(batch_size, rows).t().contiguous()


def mean_length(bptt: int) -> float:
    """The approximate mean length of a training window: some are half as long, and all are rounded down."""
    return max(bptt * (1 - SHORT_SHARE / 2) - 0.5, MIN_LENGTH)


class WindowLoader:
    """Training windows of random lengths, in the order of the text.

    The length is normal with a standard deviation of 5 around `bptt`, or with probability 0.05 around half of it;
    rounded down, at least 5. A last window of a single word is left out, as in the authors' loop. Every `__iter__` is
    an epoch; the lengths of epoch e depend on (`seed`, e) only and are the same on all processes. Process `rank` has
    the columns `rank::world_size`, so that its recurrent state always belongs to its own columns.

    There is no `__len__`, because the number of windows differs between epochs. Lightning therefore fetches one window
    ahead to know which is the last, and the saved position is the start of the last window yielded: everything before
    it has been trained on. With `limit_train_batches`, Lightning does not fetch ahead and epochs end without the loader
    being told, and resuming is not exact.

    Args:
        columns: int64[rows, B], of all processes together.
        bptt: the usual length of a window.
        seed: of the lengths.
        rank: index of this process, from 0.
        world_size: number of processes that share the columns.
        epoch: the first epoch. Lightning calls `set_epoch` too late, after the first window.

    Raises:
        UserError: fewer than three rows, or columns that the processes cannot share equally; with unequal shares the
            mean of the processes' gradients would not be the gradient of the batch.
    """

    def __init__(
        self, columns: Tensor, bptt: int, *, seed: int, rank: int = 0, world_size: int = 1, epoch: int = 0
    ) -> None:
        _check(columns, bptt, rank, world_size, least_rows=3)
        _check_shares(columns, world_size)
        self.columns = columns[:, rank::world_size].contiguous()
        self.bptt = bptt
        self.seed = seed
        self._epoch = epoch
        self._row = 0  # every window before this row has been trained on
        self._resuming = False  # from load_state_dict to the end of the restored epoch

    @property
    def rows(self) -> int:
        """The length of the columns."""
        return len(self.columns)

    @property
    def row(self) -> int:
        """The number of rows that have been trained on in this epoch."""
        return self._row

    def lengths(self, epoch: int) -> list[int]:
        """The sampled lengths of an epoch, in the order of its windows."""
        random, drawn, row = generator(self.seed, epoch), [], 0
        while not self._is_end(row):
            share, deviation = torch.rand(1, generator=random).item(), torch.randn(1, generator=random).item()
            mean = self.bptt / 2 if share < SHORT_SHARE else self.bptt
            drawn.append(max(MIN_LENGTH, int(mean + LENGTH_STD * deviation)))
            row += drawn[-1]
        return drawn

    def __iter__(self) -> Iterator[Window]:
        # A generator, so that the position changes only with the first window: Lightning calls iter() more than once.
        epoch, first = self._begin()
        row = 0
        for drawn in self.lengths(epoch):
            window = _cut(self.columns, row, drawn, self.bptt)
            if row >= first:
                self._epoch, self._row = epoch, row
                yield window
            row += len(window.inputs)
        self._epoch, self._row = epoch, row

    def state_dict(self) -> dict[str, int]:
        """The position after the last window that was trained on: the epoch and the row."""
        return {"epoch": self._epoch, "row": self._row}

    def load_state_dict(self, state_dict: Mapping[str, int]) -> None:
        """Continue from a saved position; after a complete epoch, the next one begins.

        Until that epoch is complete, `__iter__` continues it instead of starting another one: after resuming, Lightning
        may take a first window and call `iter()` again.

        Raises:
            UserError: no window starts there, with these columns, this `bptt` and this seed.
        """
        epoch, row = state_dict["epoch"], state_dict["row"]
        if epoch < 0 or not self._is_boundary(epoch, row):
            raise UserError(
                f"the checkpoint was made at row {row} of epoch {epoch}, where no window of these {self.rows} rows "
                "starts; resume with the data, the batch_size, the bptt and the seed that it was made with"
            )
        self._epoch, self._row, self._resuming = epoch, row, True

    def _begin(self) -> tuple[int, int]:
        """The start of a new iteration: (epoch, row)."""
        if self._is_end(self._row) or (self._row and not self._resuming):
            self._epoch, self._row, self._resuming = self._epoch + 1, 0, False
        return self._epoch, self._row

    def _is_end(self, row: int) -> bool:
        return row >= self.rows - 2

    def _is_boundary(self, epoch: int, row: int) -> bool:
        return row in (min(start, self.rows - 1) for start in accumulate(self.lengths(epoch), initial=0))


class ShuffledWindowLoader(TensorLoader):
    """Training windows of one length, in a new random order in every epoch.

    This is the order of the code for Table 3 of Shen et al. (2019), after Marvin and Linzen's: the text is cut into
    consecutive windows, each visited once per epoch; the last may be shorter. The learning rate is not scaled.

    Args:
        columns: int64[rows, B], of all processes together.
        bptt: the length of every window but the last.
        seed: of the orders; the order of epoch e depends on (`seed`, e) only.
        rank: index of this process, from 0.
        world_size: number of processes that share the columns.

    Raises:
        UserError: fewer than two rows, or columns that the processes cannot share equally.
    """

    def __init__(self, columns: Tensor, bptt: int, *, seed: int, rank: int = 0, world_size: int = 1) -> None:
        _check(columns, bptt, rank, world_size, least_rows=2)
        _check_shares(columns, world_size)
        # All processes visit the same window at the same time, each with its own columns.
        super().__init__((torch.arange(0, len(columns) - 1, bptt),), 1, shuffle_seed=seed)
        self.columns = columns[:, rank::world_size].contiguous()
        self.bptt = bptt

    def __iter__(self) -> Iterator[Window]:  # type: ignore[override]
        for (row,) in super().__iter__():
            yield _cut(self.columns, int(row), self.bptt, self.bptt)


class EvalWindowLoader:
    """Evaluation windows of one length, in order; every word except each column's first is a target once.

    Args:
        columns: int64[rows, B], of all processes together.
        bptt: the length of every window but the last.
        rank: index of this process, from 0.
        world_size: number of processes that share the columns.

    Raises:
        UserError: fewer than two rows.
    """

    def __init__(self, columns: Tensor, bptt: int, *, rank: int = 0, world_size: int = 1) -> None:
        _check(columns, bptt, rank, world_size, least_rows=2)
        # Each process gets an equal share of the columns or, where that is impossible, the whole text, such as for a
        # test batch of 1. Either way the mean over processes is the mean over the text.
        shared = columns.shape[1] % world_size == 0
        self.columns = columns[:, rank::world_size].contiguous() if shared else columns
        self.bptt = bptt

    def __len__(self) -> int:
        return -(-(len(self.columns) - 1) // self.bptt)

    def __iter__(self) -> Iterator[Window]:
        for row in range(0, len(self.columns) - 1, self.bptt):
            yield _cut(self.columns, row, self.bptt, self.bptt)


def _cut(columns: Tensor, row: int, drawn: int, bptt: int) -> Window:
    end = min(row + drawn, len(columns) - 1)
    return Window(columns[row:end], columns[row + 1 : end + 1], drawn, bptt)


def _check(columns: Tensor, bptt: int, rank: int, world_size: int, *, least_rows: int) -> None:
    if bptt < 1:
        raise UserError(f"bptt is {bptt}; expected 1 or more")
    if not 0 <= rank < world_size:
        raise UserError(f"rank is {rank} of {world_size} processes; expected 0 to {world_size - 1}")
    if len(columns) < least_rows:
        raise UserError(f"columns of {len(columns)} words are too short for a window; expected {least_rows} or more")


def _check_shares(columns: Tensor, world_size: int) -> None:
    if columns.shape[1] % world_size:
        raise UserError(
            f"{world_size} processes cannot share a batch of {columns.shape[1]} columns equally; "
            "choose another data.batch_size or number of devices"
        )
