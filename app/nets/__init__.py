"""Networks as plain `nn.Module`s."""

from app.nets.break_even import measured_limits
from app.nets.conv import Conv2, Conv4, Conv6
from app.nets.lenet import LeNet
from app.nets.lstm import LSTM
from app.nets.on_lstm import ONLSTM, cumax
from app.nets.recurrent import RecurrentNet, State
from app.nets.resnet import ResNet
from app.nets.sparsify import densify, sparsify
from app.nets.vgg import VGG

__all__ = [
    "LSTM",
    "ONLSTM",
    "VGG",
    "Conv2",
    "Conv4",
    "Conv6",
    "LeNet",
    "RecurrentNet",
    "ResNet",
    "State",
    "cumax",
    "densify",
    "measured_limits",
    "sparsify",
]
