"""Where the survivors of a masked weight are, in the orders in which the compiled code visits them."""

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from app.nets.sparse.build import library

# Columns of a block, whose activations stay in a near cache while all rows are computed from them: by the density above
# which it is so many. Where few weights survive they are more, since a row's sums are written and read again with each
# block. Activations of a convolution take more room.
BLOCKS = ((0.05, 400), (-1.0, 800))
BLOCK_OF_IMAGES = 128
WIDEST = 65_535  # columns, which are written in 16 bits


class _Order(ctypes.Structure):
    """`Pattern` of products.h."""

    _fields_ = [
        *((name, ctypes.c_long) for name in ("rows", "columns", "blocks")),
        *((name, ctypes.c_void_p) for name in ("places", "begins")),
    ]


class _Weight(ctypes.Structure):
    """`Weight` of linear.cpp."""

    _fields_ = [
        *((name, _Order) for name in ("by_row", "by_column")),
        *((name, ctypes.c_void_p) for name in ("positions", "turned")),
        ("plain", _Order),
        ("order", ctypes.c_void_p),
    ]


class Visits(NamedTuple):
    """An order of the survivors: by block of columns, by row, by column.

    Args:
        rows: of the matrix.
        columns: of it.
        places: int16, the columns of the survivors.
        begins: int32, where those of a row begin, by block.
        positions: int64, in the flattened matrix.
    """

    rows: int
    columns: int
    places: Tensor
    begins: Tensor
    positions: Tensor

    @classmethod
    def of(cls, mask: Tensor, width: int) -> "Visits":
        """The order in which to visit a mask (rows, columns) in blocks of at most so many columns."""
        rows, columns = mask.shape
        row, column = mask.nonzero().unbind(1)
        blocks = -(-columns // width)
        width = -(-columns // max(1, blocks))
        segment = column // width * rows + row
        order = segment.argsort(stable=True)
        counts = torch.bincount(segment, minlength=blocks * rows)
        begins = torch.cat([counts.new_zeros(1), counts.cumsum(0)]).int()
        # Numbers from 32,768 on become negative ones, which the compiled code reads as they were.
        return cls(rows, columns, column[order].short(), begins, (row * columns + column)[order])

    def struct(self) -> _Order:
        """As the library reads it."""
        blocks = (len(self.begins) - 1) // self.rows if self.rows else 0
        return _Order(self.rows, self.columns, blocks, self.places.data_ptr(), self.begins.data_ptr())


class SparsePattern:
    """Where the survivors of a weight are; made once for a mask, never changed.

    A weight of a convolution counts as a matrix with a row for each output channel.

    Args:
        mask: bool, True for survivors; (rows, columns), or (outputs, channels, height, width) of a convolution. Neither
            the matrix nor what multiplies the gradients may be wider than `WIDEST` (`fits`).
    """

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask.detach().cpu().bool().contiguous().clone()
        matrix = self.mask.flatten(1)
        self.rows, self.columns = matrix.shape
        self.count = int(matrix.sum())
        width = next(width for density, width in BLOCKS if self.density > density)
        if mask.ndim == 4:
            width = BLOCK_OF_IMAGES
        by_row, by_column = Visits.of(matrix, width), Visits.of(_transposed(self.mask), width)
        # For one example, rows with the same number of survivors follow each other: a loop that ends after as many
        # turns as the one before costs less.
        order = matrix.sum(1).argsort(stable=True)
        rowwise = Visits.of(matrix[order], max(1, self.columns))
        self.positions = by_row.positions.int()
        number = torch.empty(matrix.shape, dtype=torch.int32)
        number.view(-1)[by_row.positions] = torch.arange(self.count, dtype=torch.int32)
        turned = _transposed(number.view(self.mask.shape)).flatten()[by_column.positions]
        self.rowwise = number[order].flatten()[rowwise.positions]
        order = order.int()
        self._alive = [by_row, by_column, rowwise, turned, order]
        self._struct = _Weight(
            *(by_row.struct(), by_column.struct(), self.positions.data_ptr(), turned.data_ptr()),
            *(rowwise.struct(), order.data_ptr()),
        )
        self.address = ctypes.addressof(self._struct)

    @staticmethod
    def fits(mask: Tensor) -> bool:
        """Whether a mask can be written in 16 bits; one of another number of dimensions cannot."""
        return mask.ndim in (2, 4) and max(mask[0].numel(), mask[:, 0].numel()) <= WIDEST

    @property
    def density(self) -> float:
        """The share of the weights that survive; 0 of a weight without entries."""
        return self.count / max(1, self.mask.numel())

    def __deepcopy__(self, memo: dict[int, Any]) -> "SparsePattern":
        return self

    def __reduce__(self) -> tuple[Callable[..., "SparsePattern"], tuple[Tensor]]:
        return SparsePattern, (self.mask,)

    def gather(self, weight: Tensor) -> Tensor:
        """The survivors (count,) of a weight (rows, ...), in the order of the compiled code; without gradients."""
        weight = weight.detach().contiguous()
        values = weight.new_empty(self.count)
        gather = FUNCTIONS["gather", weight.dtype]
        gather(weight.data_ptr(), self.positions.data_ptr(), self.count, values.data_ptr())
        return values


def _transposed(tensor: Tensor) -> Tensor:
    """The matrix that multiplies a gradient of the result.

    Of a convolution it is that of another convolution, from the outputs to the channels, with the kernel turned by half
    a circle.
    """
    return tensor.t() if tensor.ndim == 2 else tensor.transpose(0, 1).flip(2, 3).flatten(1)


class _Functions(dict[tuple[str, torch.dtype], Callable[..., None]]):
    """Functions of the library by name and precision; they take addresses (0 for no tensor) and sizes as integers."""

    def __missing__(self, key: tuple[str, torch.dtype]) -> Callable[..., None]:
        compiled = library()
        assert compiled is not None
        name, precision = key
        function = compiled[f"{name}_{str(precision).removeprefix('torch.')}"]
        function.restype = None
        # Sizes, too, are passed as addresses: they are as wide, and it takes half the time.
        function.argtypes = [ctypes.c_void_p] * ARGUMENTS[name]
        self[key] = function
        return function


ARGUMENTS = {
    "gather": 4,
    "scatter": 4,
    "linear_one": 5,
    "linear": 7,
    "linear_backward": 9,
    "conv": 7,
    "conv_input_gradient": 6,
    "conv_weight_gradient": 6,
    "recurrent": 18,
    "recurrent_backward": 24,
}
FUNCTIONS = _Functions()
