"""Networks as plain `nn.Module`s."""

from app.nets.lenet import LeNet
from app.nets.lstm import LSTM
from app.nets.on_lstm import ONLSTM, cumax
from app.nets.recurrent import RecurrentNet, State

__all__ = ["LSTM", "ONLSTM", "LeNet", "RecurrentNet", "State", "cumax"]
