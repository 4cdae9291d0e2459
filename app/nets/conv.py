"""Conv-2, Conv-4 and Conv-6 (Frankle & Carbin 2019, Figure 2): small relatives of VGG for CIFAR-10."""

# B batch, side S of the images; a stage halves the side.

import itertools
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from app.common.errors import UserError
from app.nets.glorot import reset_to_glorot
from app.nets.pooling import max_pool_of_two

HIDDEN, CLASSES = 256, 10


class Conv(nn.Module):
    """Stages of two 3x3 convolutions and a pooling, then fully connected layers 256-256-10, ReLU between all.

    Args:
        dropout: on the outputs of both hidden fully connected layers (the paper's 0.5 in section 3).
        side: S, height and width of the images; each stage must be able to halve it.

    Raises:
        UserError: a dropout outside [0, 1), or a side that the stages cannot halve.
    """

    stages: ClassVar[tuple[int, ...]]  # channels of each stage

    def __init__(self, dropout: float = 0.0, side: int = 32) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise UserError(f"dropout is {dropout}; expected a probability in [0, 1)")
        if side < 1 or side % 2 ** len(self.stages):
            raise UserError(f"side is {side}; expected a multiple of {2 ** len(self.stages)}")
        self.dropout = dropout
        channels = [3, *(each for stage in self.stages for each in (stage, stage))]
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1) for i, o in itertools.pairwise(channels))
        self.fc1 = nn.Linear(self.stages[-1] * (side // 2 ** len(self.stages)) ** 2, HIDDEN)
        self.fc2 = nn.Linear(HIDDEN, HIDDEN)
        self.output = nn.Linear(HIDDEN, CLASSES)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise from torch's global generator: weights Gaussian Glorot, biases zero."""
        reset_to_glorot(self)

    def prunable_parameters(self) -> dict[str, str]:
        """Parameter names and their layer kinds: conv, fc and output have rates of their own."""
        convs = {f"convs.{number}.weight": "conv" for number in range(len(self.convs))}
        return convs | {"fc1.weight": "fc", "fc2.weight": "fc", "output.weight": "output"}

    def forward(self, images: Tensor) -> Tensor:
        """Class scores of images.

        Args:
            images: float, (B, 3, S, S).

        Returns:
            Logits, (B, 10).
        """
        hidden = images
        for number, conv in enumerate(self.convs):
            hidden = torch.relu(conv(hidden))
            if number % 2:
                hidden = max_pool_of_two(hidden)
        hidden = hidden.flatten(1)
        for layer in (self.fc1, self.fc2):
            hidden = F.dropout(torch.relu(layer(hidden)), self.dropout, self.training)
        logits: Tensor = self.output(hidden)
        return logits


class Conv2(Conv):
    """Convolutions 64, 64: 4,300,992 weights, 38,592 of them in convolutions."""

    stages = (64,)


class Conv4(Conv):
    """Convolutions 64, 64, 128, 128: 2,425,024 weights, 259,776 of them in convolutions."""

    stages = (64, 128)


class Conv6(Conv):
    """Convolutions 64, 64, 128, 128, 256, 256: 2,261,184 weights, 1,144,512 of them in convolutions.

    The paper's Figure 2 says 1.7 million in all, which no layer of these sizes gives.
    """

    stages = (64, 128, 256)
