"""Data modules for Lightning; they know nothing of any model."""

from datamodules.in_memory import InMemoryDataModule
from datamodules.mnist import MNIST
from datamodules.mnist_sample import MNISTSample
from datamodules.tensor_loader import TensorLoader

__all__ = ["MNIST", "InMemoryDataModule", "MNISTSample", "TensorLoader"]
