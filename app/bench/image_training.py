"""Training steps of the lottery paper's networks, and the most memory that a process takes for them.

As a program, `python -m app.bench.image_training Conv-2`, it prints that memory: of a process of its own, since memory
that was freed before would be used again.
"""

import json
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import Parameter
from torch.optim import SGD, Adam, Optimizer

from app.modules import Classifier
from app.nets import VGG, Conv2, Conv4, Conv6, LeNet, ResNet

STEPS = 3  # the second has the optimiser's state, the third is as all others
CLASSES = 10


@dataclass(frozen=True)
class Recipe:
    """How the paper trains a network (Frankle & Carbin 2019, Figure 2).

    Args:
        make: the network.
        batch: images of a batch.
        image: shape of an image.
        optimizer: makes the optimiser.
    """

    make: Callable[[], nn.Module]
    batch: int
    image: tuple[int, int, int]
    optimizer: Callable[[Iterable[Parameter]], Optimizer]


_COLOUR, _SGD = (3, 32, 32), partial(SGD, lr=0.1, momentum=0.9, weight_decay=1e-4)
RECIPES = {
    "LeNet": Recipe(LeNet, 60, (1, 28, 28), partial(Adam, lr=1.2e-3, fused=True)),
    "Conv-2": Recipe(Conv2, 60, _COLOUR, partial(Adam, lr=2e-4, fused=True)),
    "Conv-4": Recipe(Conv4, 60, _COLOUR, partial(Adam, lr=3e-4, fused=True)),
    "Conv-6": Recipe(Conv6, 60, _COLOUR, partial(Adam, lr=3e-4, fused=True)),
    "ResNet-20": Recipe(partial(ResNet, 20), 128, _COLOUR, _SGD),
    "VGG-19": Recipe(partial(VGG, 19), 64, _COLOUR, _SGD),
}


def training_step(recipe: Recipe, *, channels_last: bool, seed: int) -> Callable[[], None]:
    """Make a network and a batch.

    Args:
        recipe: of the network.
        channels_last: the layout of the images.
        seed: of weights and images.

    Returns:
        A function that trains the network on the batch once.
    """
    torch.manual_seed(seed)
    module = Classifier(recipe.make(), recipe.optimizer, channels_last=channels_last)
    optimizer: Any = module.configure_optimizers()
    batch = torch.randn(recipe.batch, *recipe.image), torch.randint(CLASSES, (recipe.batch,))

    def step() -> None:
        optimizer.zero_grad()
        module.training_step(batch, 0).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


@dataclass(frozen=True)
class PeakMemory:
    """Bytes.

    Args:
        process: the most that the process had.
        training: by how much that is more than before it made the network.
    """

    process: int
    training: int


def peak_memory(name: str, threads: int) -> PeakMemory:
    """The most memory of a new process that trains a network.

    Args:
        name: of `RECIPES`.
        threads: torch's.
    """
    command = [sys.executable, "-m", "app.bench.image_training", name, str(threads)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return PeakMemory(**json.loads(found.stdout))


def main(name: str, threads: str) -> None:
    """Train for a few steps, and print a `PeakMemory` as JSON."""
    torch.set_num_threads(int(threads))
    before = _peak()
    step = training_step(RECIPES[name], channels_last=False, seed=0)
    for _ in range(STEPS):
        step()
    print(json.dumps({"process": _peak(), "training": _peak() - before}))


def _peak() -> int:
    """The most memory of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux the peak that `resource` tells begins with that of the process that started this one
        return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


if __name__ == "__main__":
    main(*sys.argv[1:])
