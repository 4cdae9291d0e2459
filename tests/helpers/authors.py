"""LineStyle-alikes of the ON-LSTM authors' classes, under the names of their modules, and files saved with them.

Written for these tests from the names and attributes that their files hold; the equations are written once more, one
number at a time, so that they check ours.
"""

import importlib
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from app.common.seeds import seeded

CODE = {
    "locked_dropout": """
        from torch import nn

        class LockedDropout(nn.Module):
            pass
    """,
    "splitcross": """
        from collections import defaultdict
        from torch import nn

        class SplitCrossEntropyLoss(nn.Module):
            def __init__(self):
                super().__init__()
                self.splits = [0, 100 * 1000000]
                self.stats = defaultdict(list)
                self.stats[0].append(1.5)
    """,
    "ON_LSTM": """
        from torch import nn
        from locked_dropout import LockedDropout

        class LinearDropConnect(nn.Linear):
            def __init__(self, inputs, outputs, dropout):
                super().__init__(inputs, outputs)
                self.dropout = dropout

            def sample_mask(self):
                self._weight = self.weight * 1 if self.dropout else self.weight

        class ONLSTMCell(nn.Module):
            def __init__(self, inputs, units, chunk_size, dropconnect):
                super().__init__()
                self.input_size, self.hidden_size, self.chunk_size = inputs, units, chunk_size
                self.n_chunk = units // chunk_size
                rows = 4 * units + 2 * self.n_chunk
                self.ih = nn.Sequential(nn.Linear(inputs, rows))
                self.hh = LinearDropConnect(units, rows, dropconnect)
                self.drop_weight_modules = [self.hh]

        class ONLSTMStack(nn.Module):
            def __init__(self, sizes, chunk_size, dropconnect):
                super().__init__()
                self.cells = nn.ModuleList(
                    ONLSTMCell(below, size, chunk_size, dropconnect) for below, size in zip(sizes, sizes[1:])
                )
                self.lockdrop = LockedDropout()
                self.dropout, self.sizes = 0.3, sizes
    """,
    "model": """
        from torch import nn
        from locked_dropout import LockedDropout
        from ON_LSTM import ONLSTMStack

        class RNNModel(nn.Module):
            def __init__(self, words, features, units, chunk_size, layers, wdrop, tied):
                super().__init__()
                self.lockdrop, self.drop = LockedDropout(), nn.Dropout(0.45)
                self.encoder = nn.Embedding(words, features)
                self.rnn = ONLSTMStack([features] + [units] * (layers - 1) + [features], chunk_size, wdrop)
                self.decoder = nn.Linear(features, words)
                if tied:
                    self.decoder.weight = self.encoder.weight
                self.rnn_type, self.ninp, self.nhid, self.tie_weights = "LSTM", features, units, tied
    """,
}


@contextmanager
def authors_modules(folder: Path) -> Iterator[SimpleNamespace]:
    """Their modules, importable from `folder` while the context lasts and never again after it."""
    for name, code in CODE.items():
        lines = code.strip("\n").split("\n")
        (folder / f"{name}.py").write_text("\n".join(line[8:] for line in lines))
    sys.path.insert(0, str(folder))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in CODE})
    finally:
        sys.path.remove(str(folder))
        for name in CODE:
            sys.modules.pop(name, None)


class OldBackend:
    """What every module held before torch 1.4: an object that is pickled as a call."""

    def __reduce__(self) -> tuple[Any, ...]:
        from torch.nn.backends.thnn import _get_thnn_function_backend

        return _get_thnn_function_backend, ()


def save_like_the_authors(
    path: Path,
    folder: Path,
    *,
    words: int,
    features: int = 6,
    units: int = 8,
    chunk_size: int = 2,
    layers: int = 3,
    wdrop: float = 0.45,
    tied: bool = True,
    zipped: bool = True,
    seed: int = 0,
    change: Callable[[Any], Any] = lambda saved: saved,
) -> dict[str, torch.Tensor]:
    """Train a model of theirs a little and save it.

    Args:
        path: where to.
        folder: for the text of their modules.
        words, features, units, chunk_size, layers, wdrop, tied: of the model.
        zipped: torch's format since 1.6 instead of the older one.
        seed: of the weights before the training.
        change: what else to do with the list of model, criterion and optimizer before it is saved.

    Returns:
        The parameters, by their names.
    """
    with authors_modules(folder) as modules, seeded(seed):
        model = modules.model.RNNModel(words, features, units, chunk_size, layers, wdrop, tied)
        for module in model.modules():
            module._backend = OldBackend()
        for cell in model.rnn.cells:
            cell.hh.sample_mask()
        optimizer = torch.optim.ASGD(model.parameters(), lr=0.1, t0=0, lambd=0.0)
        for _ in range(3):
            optimizer.zero_grad()
            sum(parameter.square().sum() for parameter in model.parameters()).backward()
            optimizer.step()
        model.distance = (model.encoder.weight * 2, model.encoder.weight * 3)  # they keep these, graph and all
        saved = change([model, modules.splitcross.SplitCrossEntropyLoss(), optimizer])
        torch.save(saved, path, _use_new_zipfile_serialization=zipped)
        return {name: value.detach().clone() for name, value in model.state_dict().items() if "_weight" not in name}


def read_word_by_word(
    weights: dict[str, torch.Tensor], numbers: list[int], *, chunk_size: int, wdrop: float
) -> tuple[list[list[float]], list[list[float]]]:
    """Their model in evaluation, one number at a time in Python's floats (Shen et al. 2019, section 4).

    Args:
        weights: by their names.
        numbers: of the words that are read, as they number them.
        chunk_size, wdrop: of the model.

    Returns:
        For every word the scores of the next one, and for every word the distance of every layer.
    """
    values = {name: tensor.double().tolist() for name, tensor in weights.items()}
    layers = sum(name.endswith("hh.weight") for name in values)
    sizes = [len(values[f"rnn.cells.{layer}.hh.weight"][0]) for layer in range(layers)]
    hs, cs = ([[0.0] * size for size in sizes] for _ in range(2))
    scores, distances = [], []
    for number in numbers:
        x, distances_here = values["encoder.weight"][number], []
        for layer, size in enumerate(sizes):
            cell = f"rnn.cells.{layer}."
            from_x = _linear(x, values[f"{cell}ih.0.weight"], values[f"{cell}ih.0.bias"], 1.0)
            from_h = _linear(hs[layer], values[f"{cell}hh.weight"], values[f"{cell}hh.bias"], 1 - wdrop)
            gates = [a + b for a, b in zip(from_x, from_h, strict=True)]
            hs[layer], cs[layer], distance = _cell(gates, cs[layer], size, chunk_size)
            x = hs[layer]
            distances_here.append(distance)
        scores.append(_linear(x, values["decoder.weight"], values["decoder.bias"], 1.0))
        distances.append(distances_here)
    return scores, distances


def _linear(x: list[float], weight: list[list[float]], bias: list[float], scale: float) -> list[float]:
    rows = zip(weight, bias, strict=True)
    return [b + sum(scale * w * value for w, value in zip(row, x, strict=True)) for row, b in rows]


def _cell(gates: list[float], c: list[float], size: int, chunk_size: int) -> tuple[list[float], list[float], float]:
    chunks = size // chunk_size
    master_input = [1 - value for value in _cumax(gates[:chunks])]
    master_forget = _cumax(gates[chunks : 2 * chunks])
    output, candidate, input_, forget = (gates[2 * chunks + part * size :][:size] for part in range(4))
    new_h, new_c = [], []
    for unit in range(size):
        f, i = master_forget[unit // chunk_size], master_input[unit // chunk_size]
        keep = _sigmoid(forget[unit]) * f * i + f - f * i
        take = _sigmoid(input_[unit]) * f * i + i - f * i
        new_c.append(keep * c[unit] + take * math.tanh(candidate[unit]))
        new_h.append(_sigmoid(output[unit]) * math.tanh(new_c[-1]))
    return new_h, new_c, 1 - sum(master_forget) / chunks


def _cumax(values: list[float]) -> list[float]:
    powers = [math.exp(value) for value in values]
    return [sum(powers[: end + 1]) / sum(powers) for end in range(len(powers))]


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))
