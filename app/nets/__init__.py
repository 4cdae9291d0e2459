"""Networks as plain modules."""

from app.nets.lenet import LeNet

__all__ = ["LeNet"]
