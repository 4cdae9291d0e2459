"""The augmentation of CIFAR-10 (He et al. 2016, section 4.2): flip, pad and crop, for a whole batch at once."""

# N images of an epoch, B of a batch, C channels, H height, W width, p the padding.

import torch
from torch import Tensor

from app.common.seeds import generator

PADDING = 4
_PURPOSE = 1  # after seed and epoch; the order of the epoch is drawn from these two alone


def draw_changes(count: int, seed: int, epoch: int, padding: int = PADDING) -> Tensor:
    """Draw how the images of an epoch are changed; depends on these arguments only.

    Args:
        count: N.
        seed: of the order of the images.
        epoch: from 0.
        padding: p.

    Returns:
        int64 (3, N), by place in the order: whether the image is flipped, and the row and the column of the padded
        image where the crop begins, 0 to 2p.
    """
    random = generator(seed, epoch, _PURPOSE)
    flips = torch.randint(2, (1, count), generator=random)
    return torch.cat([flips, torch.randint(2 * padding + 1, (2, count), generator=random)])


def flip_and_crop(images: Tensor, changes: Tensor, fill: Tensor, padding: int = PADDING) -> Tensor:
    """Flip some images left to right, pad all by p on each side, and crop each to its former size.

    Args:
        images: (B, C, H, W).
        changes: int64 (3, B), as `draw_changes` has them, on the device of the images.
        fill: (C, 1, 1), the value of the padding in each channel.
        padding: p.

    Returns:
        (B, C, H, W), contiguous.
    """
    count, channels, height, width = images.shape
    padded = fill.expand(count, channels, height + 2 * padding, width + 2 * padding).clone()
    padded[..., padding:-padding, padding:-padding] = images
    flips, tops, lefts = changes.view(3, count, 1)
    rows = tops + torch.arange(height, device=images.device)
    columns = lefts + torch.arange(width, device=images.device)
    columns = torch.where(flips > 0, width + 2 * padding - 1 - columns, columns)
    which = torch.arange(count, device=images.device).view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=images.device).view(-1, 1, 1)
    return padded[which, channel, rows.view(count, 1, height, 1), columns.view(count, 1, 1, width)]
