"""ResNets for CIFAR-10 (He et al. 2016, section 4.2); Frankle & Carbin's "ResNet-18" is the one of depth 20."""

# B batch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from app.common.errors import UserError
from app.nets.glorot import reset_to_glorot

WIDTHS, CLASSES = (16, 32, 64), 10


class Block(nn.Module):
    """Two 3x3 convolutions with batch norm around a shortcut, which is a 1x1 convolution where the sizes change.

    Args:
        channels_in: of the input.
        channels: of the output.
        stride: of the first convolution and of the shortcut.
    """

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if channels_in != channels or stride != 1:
            projection = nn.Conv2d(channels_in, channels, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """From (B, channels_in, S, S) to (B, channels, S / stride, S / stride)."""
        hidden = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(hidden)) + self.shortcut(x))


class ResNet(nn.Module):
    """A convolution, three stages of blocks with 16, 32 and 64 channels, average pooling, and one output layer.

    With depth 20: 270,896 weights, of which 267,696 are prunable. The output layer (640) and the shortcuts (2,560) are
    not (Frankle & Carbin 2019, Figure 2).

    Args:
        depth: 6n + 2, for n blocks a stage.

    Raises:
        UserError: no such depth.
    """

    def __init__(self, depth: int = 20) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise UserError(f"depth is {depth}; expected 6n + 2: 8, 14, 20, 32, 44, 56, ...")
        self.conv = nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(WIDTHS[0])
        blocks, channels_in = [], WIDTHS[0]
        for channels in WIDTHS:
            for number in range((depth - 2) // 6):
                blocks.append(Block(channels_in, channels, 2 if channels > WIDTHS[0] and not number else 1))
                channels_in = channels
        self.blocks = nn.Sequential(*blocks)
        self.output = nn.Linear(channels_in, CLASSES)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise from torch's global generator: weights Gaussian Glorot, biases zero, batch norms anew."""
        reset_to_glorot(self)

    def prunable_parameters(self) -> dict[str, str]:
        """All 3x3 convolutions, of one kind, which the scopes `kind` and `global` rank together."""
        names = ["conv"]
        for number in range(len(self.blocks)):
            names += [f"blocks.{number}.conv1", f"blocks.{number}.conv2"]
        return {f"{name}.weight": "conv" for name in names}

    def forward(self, images: Tensor) -> Tensor:
        """Class scores of images.

        Args:
            images: float, (B, 3, S, S); S a multiple of 4.

        Returns:
            Logits, (B, 10).
        """
        hidden = self.blocks(torch.relu(self.norm(self.conv(images))))
        logits: Tensor = self.output(F.adaptive_avg_pool2d(hidden, 1).flatten(1))
        return logits
