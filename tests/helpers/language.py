"""Texts and language models small enough that a test can train dozens of them; and such a model in plain torch."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, Trainer
from torch import Tensor
from torch.optim import SGD

from app.common.vocabulary import EOS, UNK, Vocabulary
from app.modules import LanguageModel
from app.nets import LSTM, ONLSTM, RecurrentNet
from app.parsing import GoldSentence
from datamodules import TextDataModule, Window
from datamodules.text import Corpus
from helpers.tiny import tiny_trainer

WORDS = [UNK, EOS, "a", "cat", "dog", "sees", "the", "who"]
LR, DECAY, CLIP = 2.0, 0.01, 0.25


class TinyText(TextDataModule):
    """Words drawn at random: 90 to train on, 47 to validate and 23 to test on."""

    def __init__(self, words: Sequence[str] = WORDS, **options: Any) -> None:
        super().__init__(**{"batch_size": 2, "val_batch_size": 3, "bptt": 8, "seed": 4} | options)
        self.words = list(words)

    def read(self) -> Corpus:
        draw = torch.Generator().manual_seed(7)
        sizes = {"train": 90, "val": 47, "test": 23}
        streams = {part: torch.randint(len(self.words), (size,), generator=draw) for part, size in sizes.items()}
        return Corpus(Vocabulary(self.words), streams, {})


class TinyTrees(TinyText):
    """The same, and sentences with gold trees; the best that a model can lose is known."""

    optimal_losses = {"val": 1.5, "test": 1.25}  # noqa: RUF012
    sentences = [  # noqa: RUF012
        GoldSentence(("the", "cat", "sees", "a", "dog"), ((0, 1), (2, (3, 4)))),
        GoldSentence(("who", "sees", "the", "zebra"), (0, (1, (2, 3)))),
        GoldSentence(("a", "dog", "who", "sees", "the", "cat", "sees"), ((0, 1, (2, (3, (4, 5)))), 6)),
        GoldSentence(("cat",), 0),
    ]


def on_lstm(**dropouts: Any) -> ONLSTM:
    return ONLSTM(4, [6, 4], 2, **dropouts)


def lstm(**dropouts: Any) -> LSTM:
    return LSTM(4, [6, 4], **dropouts)


NETS: dict[str, Callable[..., RecurrentNet]] = {"ON-LSTM": on_lstm, "LSTM": lstm}
DROPOUTS = {"dropout_embedding": 0.2, "dropout_input": 0.3, "dropout_output": 0.25}
NET_DROPOUTS = {"dropout": 0.2, "weight_dropout": 0.4}


def sgd(parameters: Any) -> SGD:
    return SGD(parameters, lr=LR, weight_decay=DECAY)


def language_model(net: RecurrentNet | None = None, *, seed: int = 0, **options: Any) -> LanguageModel:
    """In float64, with every dropout and penalty on unless the options say otherwise."""
    torch.manual_seed(seed)
    net = on_lstm(**NET_DROPOUTS) if net is None else net
    net.reset_parameters()
    arguments: dict[str, Any] = {"optimizer": sgd, "alpha": 2.0, "beta": 1.0} | DROPOUTS | options
    return LanguageModel(net, len(WORDS), **arguments).double()


def trainer(callbacks: Iterable[Callback] = (), **arguments: Any) -> Trainer:
    """Clips and validates at the ends of epochs, unless it is told otherwise."""
    return tiny_trainer(list(callbacks), **{"limit_val_batches": 1.0, "gradient_clip_val": CLIP} | arguments)


def net_for(features: int, size: int) -> RecurrentNet:
    return LSTM(features, [size])


class Rows(list):
    """A metrics.csv in memory."""

    def cut(self, rows: int) -> None:
        del self[rows:]

    def sync(self) -> None:
        pass


def train_windows(epochs: int, **options: Any) -> list[list[Window]]:
    """The windows of so many epochs, without Lightning."""
    data = TinyText(**options)
    data.prepare()
    loader = data.train_dataloader()
    return [list(loader) for _ in range(epochs)]


def kept(shape: Sequence[int], p: float) -> Tensor:
    """A mask, drawn as dropouts draw: 1 with probability 1 - p."""
    return torch.empty(*shape, dtype=torch.float64).bernoulli_(1 - p)


class PlainModel:
    """The language model with an LSTM, in plain torch: own dropouts, torch's own cell, own loss.

    It draws in the order in which the words go through the model.
    """

    def __init__(self, model: LanguageModel, *, training: bool) -> None:
        self.model, self.training = model, training
        self.p = dict(model.dropouts)
        self.decoder = model.decoder

    def locked(self, x: Tensor, p: float) -> Tensor:
        return x * kept(x.shape[1:], p) / (1 - p) if self.training and p else x

    def read(self, tokens: Tensor, state: Any) -> tuple[Tensor, Tensor, Any]:
        """Output, output with dropout, state."""
        table = self.model.embedding.weight
        if self.training and self.p["embedding"]:
            table = table * kept((len(table), 1), self.p["embedding"]) / (1 - self.p["embedding"])
        x = self.locked(torch.stack([table[row] for row in tokens]), self.p["input"])
        new = []
        for depth, layer in enumerate(self.model.net.layers):
            x = self.locked(x, self.model.net.dropout) if depth else x
            drop = layer.weight_dropout
            hh = layer.weight_hh * (kept(layer.weight_hh.shape, drop) if self.training and drop else 1 - drop)
            h, c = state[depth] if state else torch.zeros(2, x.shape[1], layer.hidden_size, dtype=torch.float64)
            steps = []
            for step in x:
                h, c = torch.lstm_cell(step, (h, c), layer.weight_ih, hh, layer.bias_ih, layer.bias_hh)
                steps.append(h)
            x = torch.stack(steps)
            new.append((h.detach(), c.detach()))
        return x, self.locked(x, self.p["output"]), new

    def losses(self, window: Window, state: Any) -> tuple[Tensor, Tensor, Any]:
        """Cross entropy, the loss with AR and TAR, state."""
        output, dropped, state = self.read(window.inputs, state)
        log_p = F.log_softmax(dropped @ self.decoder.weight.T + self.decoder.bias, -1)
        loss = -log_p.gather(-1, window.targets.unsqueeze(-1)).mean()
        ar = ((dropped if self.model.ar_output == "dropped" else output) ** 2).mean()
        tar = ((output[1:] - output[:-1]) ** 2).mean()
        return loss, loss + self.model.alpha * ar + self.model.beta * tar, state


def plain_training(
    model: LanguageModel, epochs: list[list[Window]], *, accumulated: int = 1
) -> list[tuple[float, int]]:
    """Truncated back-propagation through time, clipping and SGD, in plain torch.

    Args:
        model: is trained.
        epochs: the windows of each.
        accumulated: windows of one step, whose mean gradient is taken at their mean rate.

    Returns:
        The cross entropy of each window and how many words it predicted.
    """
    model.train()
    twin, taken = PlainModel(model, training=True), []
    for windows in epochs:
        state: Any = None
        for first in range(0, len(windows), accumulated):
            model.zero_grad()
            together = windows[first : first + accumulated]
            for window in together:
                cross_entropy, loss, state = twin.losses(window, state)
                taken.append((cross_entropy.item(), window.targets.numel()))
                (loss / accumulated).backward()
            scale = sum(window.drawn / window.bptt for window in together) / len(together)
            parameters = list(model.parameters())
            norm = math.sqrt(sum(float((p.grad**2).sum()) for p in parameters))
            with torch.no_grad():
                for p in parameters:
                    gradient = p.grad * min(1.0, CLIP / (norm + 1e-6)) + DECAY * p
                    p -= LR * scale * gradient
    return taken
