"""Lightning data modules, independent of any model; a new data set is one new file and one line here."""

from datamodules.cifar10 import CIFAR10 as CIFAR10
from datamodules.grammar import Grammar as Grammar
from datamodules.in_memory_data_module import InMemoryDataModule as InMemoryDataModule
from datamodules.logic import Logic as Logic
from datamodules.mnist import MNIST as MNIST
from datamodules.mnist_sample import MNISTSample as MNISTSample
from datamodules.ptb import PTB as PTB
from datamodules.synthetic10 import Synthetic10 as Synthetic10
from datamodules.tensor_loader import TensorLoader as TensorLoader
from datamodules.text import TextDataModule as TextDataModule
from datamodules.text_folder import TextFolder as TextFolder
from datamodules.wikipedia import Wikipedia as Wikipedia
from datamodules.windows import EvalWindowLoader as EvalWindowLoader
from datamodules.windows import ShuffledWindowLoader as ShuffledWindowLoader
from datamodules.windows import Window as Window
from datamodules.windows import WindowLoader as WindowLoader
from datamodules.wsj import WSJ as WSJ
