"""Gray and smaller images, for networks that take no others."""

import torch
from torch import Tensor

from app.common.errors import UserError

# Of red, green and blue (ITU-R BT.601), in units of 2**-16 as in Pillow: integers give the same pixels everywhere.
LUMA = (19_595, 38_470, 7_471)


def check_side(side: int | None, most: int) -> None:
    """Check the option `side`.

    Raises:
        UserError: images have no such centre.
    """
    if side is not None and not 1 <= side <= most:
        raise UserError(f"data.side is {side}; expected 1 to {most}, or null for the whole images")


def reformat(pixels: Tensor, *, gray: bool, side: int | None) -> Tensor:
    """Take the centre of images, and make them gray.

    Args:
        pixels: uint8 (N, 3, H, W), red, green, blue.
        gray: take the luma alone, rounded to a byte.
        side: S, of the centre; None for the whole images.

    Returns:
        uint8 (N, 1 or 3, S, S).
    """
    if side is not None:
        top, left = ((size - side) // 2 for size in pixels.shape[2:])
        pixels = pixels[..., top : top + side, left : left + side]
    if gray:
        weighted = sum(weight * pixels[:, [colour]].int() for colour, weight in enumerate(LUMA))
        assert isinstance(weighted, Tensor)
        pixels = (weighted + (1 << 15)).bitwise_right_shift(16).to(torch.uint8)
    return pixels.contiguous()
