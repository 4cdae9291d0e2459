"""Windows over a long text, cut into columns that are read side by side; the position can be saved."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from app.common.errors import UserError
from app.common.seeds import generator
from datamodules.tensor_loader import TensorLoader

# Time-major throughout: T words of a window, one below the other, B columns side by side. N words of a text.

# How the authors draw the length of a window (their `main.py`, after Merity et al. 2017, arXiv 1708.02182, section 5).
SHORT_SHARE = 0.05  # of windows have half the length
LENGTH_STD = 5.0
MIN_LENGTH = 5


class Window(NamedTuple):
    """A piece of every column.

    Args:
        inputs: int64[T, B].
        targets: the word after each of them, int64[T, B].
        drawn: the length that was drawn. T is smaller where the text ends first.
        bptt: the usual length; the learning rate is meant for it, and scaled by drawn / bptt.
    """

    inputs: Tensor
    targets: Tensor
    drawn: int
    bptt: int


def columns(stream: Tensor, batch_size: int) -> Tensor:
    """Cut a text into columns of equal length, as the authors' `batchify` does.

    Args:
        stream: int64[N].
        batch_size: how many columns.

    Returns:
        int64[N // batch_size, batch_size]; the words that are left over are dropped. Column b goes on in column b + 1.
    """
    rows = len(stream) // batch_size
    return stream[: rows * batch_size].view(batch_size, rows).t().contiguous()


def mean_length(bptt: int) -> float:
    """About how long a training window is in the mean: some are half as long, and all are rounded down."""
    return max(bptt * (1 - SHORT_SHARE / 2) - 0.5, MIN_LENGTH)


class WindowLoader:
    """Windows of random lengths to train on, in the order of the text.

    With probability 0.95 the length is about `bptt`, else about half of it: normal with a standard deviation of 5,
    rounded down, at least 5. A last window of a single word is left out, as the authors' loop does. Every `__iter__` is
    an epoch; the lengths of epoch e depend on (`seed`, e) only and are the same on all processes. Process `rank` has
    the columns `rank::world_size` for itself: what it carries from window to window stays its own.

    There is no `__len__`, because epochs differ in their number of windows. Lightning therefore fetches one window
    ahead, to know which is the last, and the position that survives a checkpoint is where the last window yielded
    starts: what comes before it has been learned from. A `limit_train_batches` ends both this fetching ahead and the
    epochs without this loader's knowledge; resuming such a training is not exact.

    Args:
        columns: int64[rows, B], of all processes together.
        bptt: the usual length of a window.
        seed: where the lengths come from.
        rank: which process this is, from 0.
        world_size: how many processes share the columns.
        epoch: which epoch comes first. Lightning would tell (`set_epoch`) only after it has taken a window.

    Raises:
        UserError: fewer than three rows, or columns that the processes cannot share equally: the mean of the processes'
            gradients is the gradient of the batch only then.
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
        self._row = 0  # every window before this row has been learned from
        self._resuming = False  # from load_state_dict to the end of the epoch it led into

    @property
    def rows(self) -> int:
        """How long the columns are."""
        return len(self.columns)

    @property
    def row(self) -> int:
        """How much of the columns has been learned from in this epoch."""
        return self._row

    def lengths(self, epoch: int) -> list[int]:
        """The lengths drawn for an epoch, in the order of its windows."""
        random, drawn, row = generator(self.seed, epoch), [], 0
        while not self._is_end(row):
            share, deviation = torch.rand(1, generator=random).item(), torch.randn(1, generator=random).item()
            mean = self.bptt / 2 if share < SHORT_SHARE else self.bptt
            drawn.append(max(MIN_LENGTH, int(mean + LENGTH_STD * deviation)))
            row += drawn[-1]
        return drawn

    def __iter__(self) -> Iterator[Window]:
        # A generator, so nothing moves before the first window is asked for: Lightning calls iter() more than once.
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
        """The position after the last window that was learned from: the epoch and the row."""
        return {"epoch": self._epoch, "row": self._row}

    def load_state_dict(self, state_dict: Mapping[str, int]) -> None:
        """Go on from a saved position; an epoch that was complete there leads into the next one.

        Until that epoch is complete, `__iter__` goes on in it instead of starting another: resumed, Lightning may take
        a first window and call `iter()` again.

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
        """Where the iteration that begins now starts: (epoch, row)."""
        if self._is_end(self._row) or (self._row and not self._resuming):
            self._epoch, self._row, self._resuming = self._epoch + 1, 0, False
        return self._epoch, self._row

    def _is_end(self, row: int) -> bool:
        return row >= self.rows - 2

    def _is_boundary(self, epoch: int, row: int) -> bool:
        return row in (min(start, self.rows - 1) for start in accumulate(self.lengths(epoch), initial=0))


class ShuffledWindowLoader(TensorLoader):
    """Windows of one length to train on, in another random order in every epoch.

    As the code behind Table 3 of Shen et al. (2019) visits them, after Marvin and Linzen's: each of the windows that
    follow each other in the text comes once, and the last may be shorter. The learning rate is not scaled.

    Args:
        columns: int64[rows, B], of all processes together.
        bptt: the length of every window but the last.
        seed: where the orders come from; that of epoch e depends on (`seed`, e) only.
        rank: which process this is, from 0.
        world_size: how many processes share the columns.

    Raises:
        UserError: fewer than two rows, or columns that the processes cannot share equally.
    """

    def __init__(self, columns: Tensor, bptt: int, *, seed: int, rank: int = 0, world_size: int = 1) -> None:
        _check(columns, bptt, rank, world_size, least_rows=2)
        _check_shares(columns, world_size)
        # All processes are at the same window, each with columns of its own.
        super().__init__((torch.arange(0, len(columns) - 1, bptt),), 1, shuffle_seed=seed)
        self.columns = columns[:, rank::world_size].contiguous()
        self.bptt = bptt

    def __iter__(self) -> Iterator[Window]:  # type: ignore[override]
        for (row,) in super().__iter__():
            yield _cut(self.columns, int(row), self.bptt, self.bptt)


class EvalWindowLoader:
    """Windows of one length to evaluate on, every word but each column's first as a target once, in order.

    Args:
        columns: int64[rows, B], of all processes together.
        bptt: the length of every window but the last.
        rank: which process this is, from 0.
        world_size: how many processes share the columns.

    Raises:
        UserError: fewer than two rows.
    """

    def __init__(self, columns: Tensor, bptt: int, *, rank: int = 0, world_size: int = 1) -> None:
        _check(columns, bptt, rank, world_size, least_rows=2)
        # Equal shares or the whole text for everybody: either way the mean over processes is the mean over the text,
        # which is not so where some processes have more columns than others. Test batches of 1 are of the second kind.
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
