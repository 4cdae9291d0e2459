"""A tiny lottery in double precision, one network after the other or several at once."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_lottery import lottery, make_trainer
from torch.optim import SGD

from app.lottery.network import NetworkTraining
from app.lottery.stacks.group import Place
from app.lottery.stacks.run import StackedLottery

ARGUMENTS = {"val_check_interval": 4, "check_val_every_n_epoch": None}
SETTINGS: dict[str, Any] = {"random_reinit": 1, "methods": ["iterative", "one_shot"], "replicates": 2}
# Not Adam: of the biases before batch norm, whose gradients are rounding alone, it would make differences.
OPTIMIZER = partial(SGD, lr=0.1, momentum=0.9, weight_decay=1e-3)
DOUBLE = partial(make_trainer, precision="64-true")


def make_stacked(root: Path, *, stack: int = 3, train: Any = None, **settings: Any) -> StackedLottery:
    """A lottery of groups, with fresh objects as a fresh process would have them."""
    alone = lottery(root, stack=stack, **SETTINGS | settings)
    assert isinstance(alone.train, NetworkTraining)
    alone.model.optimizer = OPTIMIZER
    network = replace(alone.train, make_trainer=DOUBLE, **train or {})
    return StackedLottery(
        lottery=replace(alone, train=network),
        network=network,
        progress=network.progress,
        place=Place(torch.device("cpu"), "64-true", ARGUMENTS),
    )


def run_alone(root: Path, **settings: Any) -> Path:
    """The same lottery, one network after the other."""
    alone = lottery(root, **SETTINGS | settings)
    assert isinstance(alone.train, NetworkTraining)
    alone.model.optimizer = OPTIMIZER
    replace(alone, train=replace(alone.train, make_trainer=DOUBLE)).run()
    return root


@pytest.fixture
def stacked() -> Callable[..., StackedLottery]:
    return make_stacked


@pytest.fixture
def alone() -> Callable[..., Path]:
    return run_alone


@pytest.fixture(scope="session")
def run_at_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished lottery whose networks were trained three at a time."""
    root = tmp_path_factory.mktemp("at_once") / "run"
    make_stacked(root).run()
    return root
