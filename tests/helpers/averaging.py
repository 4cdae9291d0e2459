"""A small training whose validation losses are made up, and what torch's own ASGD makes of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, Trainer
from torch import Tensor
from torch.optim import ASGD, SGD

from helpers.tiny import TinyData, TinyModule, TinyNet, tiny_trainer, weights, with_validation

RATE, DECAY = 0.3, 0.02
State = dict[str, Tensor]


class Judged(TinyModule):
    """Logs the losses that it is told to, one per validation; the last of them for ever."""

    def __init__(self, losses: Sequence[float], optimizer: Any = None, net: Any = None) -> None:
        torch.manual_seed(0)
        super().__init__(net or TinyNet(), optimizer or sgd)
        self.losses = list(losses)
        self.validated: list[State] = []
        self.trained: list[State] = []
        self.double()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        self.trained.append(weights(self))
        return super().training_step(batch, batch_idx)

    def on_validation_epoch_end(self) -> None:
        self.validated.append(weights(self))
        if not self.trainer.sanity_checking:
            self.log("val_loss", self.losses.pop(0) if len(self.losses) > 1 else self.losses[0])
        self.val_losses.clear()


def sgd(module: Any) -> SGD:
    return SGD(module.parameters(), lr=RATE, weight_decay=DECAY)


def data() -> TinyData:
    return TinyData(dtype=torch.float64)


def fit(module: Judged, *callbacks: Callback, path: Path | None = None, **arguments: Any) -> Trainer:
    run = tiny_trainer(callbacks, **with_validation(2, max_steps=30) | arguments)
    run.fit(module, data(), ckpt_path=path)
    return run


def by_asgd(switch: int | None, steps: int, anew: int | None = None) -> tuple[list[State], list[State | None]]:
    """Weights and averages after each of so many steps of plain torch: SGD, then ASGD from iteration `switch` on."""
    module, loader = Judged([1]), data().train_dataloader()
    batches = [batch for _ in range(9) for batch in loader][:steps]
    optimizer: Any = sgd(module)
    live, averages = [weights(module)], [None]
    for step, (rows, labels) in enumerate(batches):
        if step in (switch, anew):
            optimizer = ASGD(module.parameters(), lr=RATE, t0=0, lambd=0, weight_decay=DECAY)
            torch.set_default_dtype(torch.float64)  # for its rate and the weights of its mean
        optimizer.zero_grad()
        F.cross_entropy(module.net(rows), labels).backward()
        optimizer.step()
        live.append(weights(module))
        averaging = isinstance(optimizer, ASGD)
        averages.append(
            {name: optimizer.state[p]["ax"].clone() for name, p in module.named_parameters()} if averaging else None
        )
    torch.set_default_dtype(torch.float32)
    return live, averages


def near(one: State, other: State | None) -> bool:
    assert other is not None
    return one.keys() == other.keys() and all(torch.allclose(one[n], other[n], rtol=0, atol=1e-12) for n in one)


# With nonmono 2 the fifth validation, after iteration 10, is the first that may trigger; it is worse than the second.
LOSSES, SWITCH = [5, 4, 5, 5, 4.5, 9], 10
