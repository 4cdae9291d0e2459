"""A convolution that computes with the surviving weights alone, as a product with the columns of each image."""

# N images, C channels, O channels of the result, H height, W width.

import ctypes
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from app.nets.sparse.build import is_plain, undisturbed, usable
from app.nets.sparse.layer import SparseLayer
from app.nets.sparse.pattern import FUNCTIONS, SparsePattern
from app.nets.sparse.values import dense, survivors

# Multiplications that justify one more thread; the result is bitwise the same for any number of threads.
WORTH_A_THREAD = 500_000
# Positions of a channel of the result below which the dense convolution is faster: vectors would be mostly empty.
FEWEST_POSITIONS = 64

Padding = tuple[int, int]


class _Sizes(ctypes.Structure):
    """`Sizes` of conv.cpp."""

    _fields_ = [
        (name, ctypes.c_long)
        for name in ("images", "channels", "height", "width", "outputs", "rows", "columns", "top", "left")
    ]


class SparseConv2d(SparseLayer, nn.Conv2d):
    """`nn.Conv2d` of a masked weight (`SparseLayer`), of stride 1, without dilation or groups, padded with zeros.

    Small images are convolved densely (`FEWEST_POSITIONS`), as are those in `channels_last` order.
    """

    @staticmethod
    def takes(layer: nn.Conv2d) -> bool:
        """Whether a convolution is of that kind."""
        return (
            layer.stride == layer.dilation == (1, 1)
            and layer.groups == 1
            and layer.padding_mode == "zeros"
            and not isinstance(layer.padding, str)
            and all(padding < size for padding, size in zip(layer.padding, layer.kernel_size, strict=True))
        )

    @override
    def forward(self, input: Tensor) -> Tensor:
        weight, bias = self.weight, self.bias
        sparse = _has_room(input, weight, self.padding) and undisturbed()  # type: ignore[arg-type]
        if sparse and torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (input, weight, bias)):
            self.forget()
            if usable(input, weight, bias):
                values = survivors(weight, self.pattern)
                return _Conv.apply(self.pattern, self.padding, input, values, bias)  # type: ignore[no-any-return, no-untyped-call]
        elif sparse and (found := self.survivors(weight, bias)) is not None and is_plain(input, found.weight.dtype):
            return conv(self.pattern, self.padding, found.values, input, bias)  # type: ignore[arg-type]
        return super().forward(input)


def _has_room(input: Tensor, weight: Tensor, padding: Padding) -> bool:
    if input.ndim != 4 or not len(input) or input.size(1) != weight.size(1) or not input.is_contiguous():
        return False
    sides = (
        size + 2 * pad - kernel + 1
        for size, pad, kernel in zip(input.shape[2:], padding, weight.shape[2:], strict=True)
    )
    height, width = sides
    return height > 0 and width > 0 and height * width >= FEWEST_POSITIONS


def conv(pattern: SparsePattern, padding: Padding, values: Tensor, x: Tensor, bias: Tensor | None) -> Tensor:
    """The convolution of images; without gradients.

    Args:
        pattern: of the weight (O, C, kernel height, kernel width).
        padding: zeros above and below, to the left and to the right.
        values: the survivors, in the order of the pattern.
        x: (N, C, H, W), contiguous.
        bias: (O,), contiguous.

    Returns:
        (N, O, H', W').
    """
    sizes = _sizes(pattern, padding, x)
    y = x.new_empty(len(x), pattern.rows, *_out(sizes))
    arguments = (values.data_ptr(), 0 if bias is None else bias.data_ptr(), ctypes.addressof(sizes), x.data_ptr())
    FUNCTIONS["conv", x.dtype](pattern.address, *arguments, y.data_ptr(), _threads(pattern, y))
    return y


class _Conv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, pattern: SparsePattern, padding: Padding, x: Tensor, values: Tensor, bias: Tensor | None
    ) -> Tensor:
        ctx.pattern, ctx.padding, ctx.has_bias = pattern, padding, bias is not None
        ctx.save_for_backward(x, values)
        return conv(pattern, padding, values, x, None if bias is None else bias.contiguous())

    @staticmethod
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor | None, ...]:
        x, values = ctx.saved_tensors
        pattern, padding, (needs_x, needs_values, needs_bias) = ctx.pattern, ctx.padding, ctx.needs_input_grad[2:]
        d_bias = d_y.sum((0, 2, 3)) if needs_bias else None
        # Grad mode is on here only if the gradient itself is differentiated (create_graph=True).
        if torch.is_grad_enabled():
            return None, None, *_eager_gradients(pattern, padding, x, values, d_y), d_bias
        d_y = d_y.contiguous()
        sizes, threads = _sizes(pattern, padding, x), _threads(pattern, d_y)
        at = ctypes.addressof(sizes)
        d_x = torch.empty_like(x) if needs_x else None
        if d_x is not None:
            arguments = values.data_ptr(), at, d_y.data_ptr(), d_x.data_ptr()
            FUNCTIONS["conv_input_gradient", x.dtype](pattern.address, *arguments, threads)
        d_values = torch.zeros_like(values) if needs_values else None
        if d_values is not None:
            arguments = at, x.data_ptr(), d_y.data_ptr(), d_values.data_ptr()
            FUNCTIONS["conv_weight_gradient", x.dtype](pattern.address, *arguments, threads)
        return None, None, d_x, d_values, d_bias


def _eager_gradients(
    pattern: SparsePattern, padding: Padding, x: Tensor, values: Tensor, d_y: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients by operations that can be differentiated again."""
    weight = dense(values, pattern)
    d_x = F.conv_transpose2d(d_y, weight, padding=padding)
    d_weight = F.conv2d(x.transpose(0, 1), d_y.transpose(0, 1), padding=padding).transpose(0, 1)
    return d_x, d_weight.flatten()[pattern.positions.long()]


def _sizes(pattern: SparsePattern, padding: Padding, x: Tensor) -> _Sizes:
    outputs, _, rows, columns = pattern.mask.shape
    return _Sizes(*x.shape, outputs, rows, columns, *padding)


def _out(sizes: _Sizes) -> tuple[int, int]:
    return sizes.height + 2 * sizes.top - sizes.rows + 1, sizes.width + 2 * sizes.left - sizes.columns + 1


def _threads(pattern: SparsePattern, y: Tensor) -> int:
    work = pattern.count * (y.numel() // max(1, pattern.rows))
    return max(1, min(torch.get_num_threads(), work // WORTH_A_THREAD))
