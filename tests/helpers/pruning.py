"""Tickets drawn as a user draws them, and what they should hold."""

from typing import Any

from torch import Tensor

from callbacks import IterativePruningCallback
from helpers.tiny import Probe, TinyData, TinyModule, tiny_trainer, weights

# 48 weights in fc, 30 % of the survivors gone each time: 14.4, 10.2, 7.2. 24 in output, 20 %: 4.8, 3.8, 3.0.
SURVIVORS = [
    {"net.fc.weight": 48, "net.output.weight": 24},
    {"net.fc.weight": 34, "net.output.weight": 19},
    {"net.fc.weight": 24, "net.output.weight": 15},
    {"net.fc.weight": 17, "net.output.weight": 12},
]
STEPS = 10


class StoppedError(Exception):
    """A training ends in the middle."""


def counts(masks: dict[str, Tensor]) -> dict[str, int]:
    return {name: int(mask.sum()) for name, mask in masks.items()}


def masked(state: dict[str, Tensor], masks: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.masked_fill(~masks[name], 0) if name in masks else value for name, value in state.items()}


def draw(
    pruning: IterativePruningCallback, module: TinyModule, rounds: int = 4, *probes: Any, **arguments: Any
) -> None:
    """The script of a user: as many fits as networks."""
    for _ in range(rounds):
        tiny_trainer([pruning, *probes], **{"max_steps": STEPS} | arguments).fit(module, TinyData())


def starts_of(pruning: IterativePruningCallback, module: TinyModule, rounds: int, **arguments: Any) -> list[Any]:
    """Weights at the start of each round's training."""
    starts: list[dict[str, Tensor]] = []
    draw(pruning, module, rounds, Probe(on_train_start=lambda _, module: starts.append(weights(module))), **arguments)
    return starts
