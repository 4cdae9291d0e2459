"""VGG with batch norm for CIFAR-10 (Simonyan & Zisserman 2014, Table 1, as Frankle & Carbin 2019 have it)."""

# B batch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from app.common.errors import UserError
from app.nets.glorot import reset_to_glorot
from app.nets.pooling import max_pool_of_two

WIDTHS, CLASSES = (64, 128, 256, 512, 512), 10
# Convolutions of each stage, by depth; the depth counts the three fully connected layers of the original too.
STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


class VGG(nn.Module):
    """Five stages of 3x3 convolutions with batch norm, poolings between them, average pooling, and one output layer.

    With depth 19: 20,024,000 weights, of which the 20,018,880 of the convolutions are prunable and the output layer's
    5,120 are not.

    Args:
        depth: 11, 13, 16 or 19.

    Raises:
        UserError: another depth.
    """

    def __init__(self, depth: int = 19) -> None:
        super().__init__()
        if depth not in STAGES:
            raise UserError(f"depth is {depth}; expected one of {', '.join(map(str, STAGES))}")
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        self._last = set[int]()  # the numbers of the convolutions that a pooling follows
        channels_in = 3
        for channels, count in zip(WIDTHS, STAGES[depth], strict=True):
            for _ in range(count):
                self.convs.append(nn.Conv2d(channels_in, channels, 3, padding=1, bias=False))
                self.norms.append(nn.BatchNorm2d(channels))
                channels_in = channels
            self._last.add(len(self.convs) - 1)
        self._last.discard(len(self.convs) - 1)  # average pooling comes there
        self.output = nn.Linear(channels_in, CLASSES)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise from torch's global generator: weights Gaussian Glorot, biases zero, batch norms anew."""
        reset_to_glorot(self)

    def prunable_parameters(self) -> dict[str, str]:
        """All convolutions, of one kind, which the scopes `kind` and `global` rank together."""
        return {f"convs.{number}.weight": "conv" for number in range(len(self.convs))}

    def forward(self, images: Tensor) -> Tensor:
        """Class scores of images.

        Args:
            images: float, (B, 3, S, S); S a multiple of 16.

        Returns:
            Logits, (B, 10).
        """
        hidden = images
        for number, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            hidden = torch.relu(norm(conv(hidden)))
            if number in self._last:
                hidden = max_pool_of_two(hidden)
        logits: Tensor = self.output(F.adaptive_avg_pool2d(hidden, 1).flatten(1))
        return logits
