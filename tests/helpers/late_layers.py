"""Modules that make layers when a Trainer runs them. Tests copy this file, and `user_modules` as mine.py, beside the
command line.
"""

import torch
from mine import CLASSES, SIZE, Base
from torch import Tensor, nn


def network() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(SIZE * SIZE, 16), nn.BatchNorm1d(16), nn.Linear(16, CLASSES))


class Early(Base):
    """Makes its layers at once."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)


class InConfigureModel(Base):
    """Makes them as Lightning asks for it."""

    forward = Early.forward

    def configure_model(self) -> None:
        if not hasattr(self, "net"):
            self.net = network()


class InSetup(Base):
    """Makes them in the first fit or test."""

    forward = Early.forward

    def setup(self, stage: str) -> None:
        if not hasattr(self, "net"):
            self.net = network()


class InEverySetup(Base):
    """Makes them anew in every one."""

    forward = Early.forward

    def setup(self, stage: str) -> None:
        self.net = network()


class Filled(Early):
    """Changes weights in every one."""

    def setup(self, stage: str) -> None:
        with torch.no_grad():
            self.net[1].weight.fill_(0.1)
