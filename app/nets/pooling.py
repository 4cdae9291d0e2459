"""Pooling of images for evaluation on a CPU, where torch's own takes longer than a sparse convolution."""

# N images, C channels, H height, W width.

import torch
import torch.nn.functional as F
from torch import Tensor

from app.nets.sparse.build import undisturbed


def max_pool_of_two(images: Tensor) -> Tensor:
    """The largest of each 2x2 square, as `F.max_pool2d(images, 2)`.

    Without gradients it does not matter which of the four it was. The larger one of each two rows is taken, and then
    of each two columns, which takes a tenth of the time on a CPU where one channel lies after the other. Values are the
    same.

    Args:
        images: (N, C, H, W).

    Returns:
        (N, C, H // 2, W // 2).
    """
    if not _only_values(images):
        return F.max_pool2d(images, 2)
    rows = torch.maximum(images[..., ::2, :], images[..., 1::2, :])
    return torch.maximum(rows[..., ::2], rows[..., 1::2])


def _only_values(images: Tensor) -> bool:
    """Whether it is a plain tensor on a CPU with even sides, one channel after the other, and nothing is recorded."""
    return (
        type(images) is Tensor
        and images.is_cpu
        and not (torch.is_grad_enabled() and images.requires_grad)
        and undisturbed()
        and images.ndim == 4
        and images.is_contiguous()
        and images.numel() > 0
        and images.size(2) % 2 == images.size(3) % 2 == 0
    )
