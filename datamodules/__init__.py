"""Data modules for Lightning; they know nothing of any model."""

from datamodules.grammar import Grammar
from datamodules.in_memory import InMemoryDataModule
from datamodules.logic import Logic
from datamodules.mnist import MNIST
from datamodules.mnist_sample import MNISTSample
from datamodules.ptb import PTB
from datamodules.tensor_loader import TensorLoader
from datamodules.text import TextDataModule
from datamodules.wikipedia import Wikipedia
from datamodules.windows import EvalWindowLoader, ShuffledWindowLoader, Window, WindowLoader
from datamodules.wsj import WSJ

__all__ = [
    "MNIST",
    "PTB",
    "WSJ",
    "EvalWindowLoader",
    "Grammar",
    "InMemoryDataModule",
    "Logic",
    "MNISTSample",
    "ShuffledWindowLoader",
    "TensorLoader",
    "TextDataModule",
    "Wikipedia",
    "Window",
    "WindowLoader",
]
