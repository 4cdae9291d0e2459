"""What networks trained at once do not have is refused in one line, before anything is trained."""

import inspect
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.command import REPOSITORY, in_process, needs_digits
from helpers.tiny import TinyData, TinyModule
from helpers.tiny_lottery import Blobs, TinyNet
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.optim import Adam
from torch.optim.lr_scheduler import StepLR

from app.common.errors import UserError
from app.common.seeds import derive_seed
from app.lottery.job import Job
from app.lottery.methods import Iterative
from app.lottery.settings import Pruning
from app.lottery.stacks.data import gather
from app.lottery.stacks.limits import check_stack
from app.modules import Classifier
from app.runs.layout import NetworkKey
from app.training import RoundsWandbLogger
from callbacks import IterativePruningCallback
from datamodules import TensorLoader


class Smoothed(Classifier):
    """A classifier that is trained in another way."""


class Flipped(Blobs):
    """Data that is augmented."""

    def __init__(self) -> None:
        super().__init__()
        self.augment = True


class Augmented(Blobs):
    """Data whose batches are changed on their way."""

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch


class Noisy(Iterative):
    """A method that changes the training."""

    name = "noisy"

    def callbacks(self, key: NetworkKey) -> list[Callback]:
        return [Callback()]


def check(
    model: LightningModule | None = None,
    data: LightningDataModule | None = None,
    loggers: Any = (),
    pruning: dict[str, Any] | None = None,
    **arguments: Any,
) -> None:
    trainer = Trainer(logger=False, accelerator="cpu", **arguments)
    defaults = {name: value.default for name, value in inspect.signature(Trainer.__init__).parameters.items()}
    given = {name: value for name, value in (defaults | arguments).items() if name not in ("self", "logger")}
    settings = Pruning(**{"stack": 2} | (pruning or {}))
    check_stack(settings, trainer, model or Classifier(TinyNet()), data or Blobs(), given, loggers)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"callbacks": [Callback()]}, "trainer.callbacks does not apply to that"),
    ({"accumulate_grad_batches": 2}, "trainer.accumulate_grad_batches does not apply"),
    ({"limit_train_batches": 3}, "trainer.limit_train_batches does not apply"),
    ({"precision": "bf16-mixed"}, "trainer.precision is bf16-mixed; use 32-true or 64-true"),
    ({"strategy": "ddp", "devices": 2}, "DDPStrategy trains on several devices"),
    ({"val_check_interval": "00:00:01:00", "check_val_every_n_epoch": None}, "val_check_interval is a time"),
    ({"pruning": {"workers": 2}}, "pruning.workers 2 trains them in several processes"),
    ({"pruning": {"keep": ["best"]}}, "pruning.keep names best"),
    ({"pruning": {"methods": [Noisy()]}}, "the method noisy adds callbacks"),
    ({"model": TinyModule()}, "TinyModule cannot be; use app.modules.Classifier"),
    ({"model": Smoothed(TinyNet())}, "Smoothed may change how a Classifier is trained"),
    ({"model": Classifier(TinyNet(), Adam, partial(StepLR, step_size=3))}, "have no lr_scheduler"),
    ({"data": TinyData()}, "TinyData does not give all its rows at once"),
    ({"data": Flipped()}, r"Flipped changes the images of every batch \(data\.augment\); set it to false"),
    ({"data": Augmented()}, r"Augmented changes batches on their way \(on_after_batch_transfer\)"),
    (
        {"loggers": [CSVLogger("logs")]},
        "only RoundsWandbLogger can log that, not CSVLogger",
    ),
]


class Tied(TinyNet):
    """One layer twice."""

    def __init__(self) -> None:
        super().__init__()
        self.again = self.fc


def frozen() -> Classifier:
    net = TinyNet()
    net.fc.weight.requires_grad_(False)
    return Classifier(net)


REFUSED += [
    ({"model": Classifier(Tied())}, "the weights of again.bias are those of another layer too"),
    ({"model": frozen()}, "fc.weight is frozen"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as found:
        check(**given)
    assert "\n" not in str(found.value)
    assert "--pruning.stack 1" in str(found.value)


def test_allowed() -> None:
    check()
    check(gradient_clip_val=1.0, val_check_interval=4, check_val_every_n_epoch=None, loggers=[RoundsWandbLogger()])


def test_loaders_that_yield_something_else_are_refused() -> None:
    """A subclass that changes its loaders would not be noticed otherwise."""

    class Flipped(Blobs):
        def train_dataloader(self) -> TensorLoader:
            loader = super().train_dataloader()
            images, labels = loader.tensors
            return TensorLoader((images.flip(3), labels), 30, shuffle_seed=loader.shuffle_seed)

    class Twice(Blobs):
        def train_dataloader(self) -> TensorLoader:
            images, labels = super().train_dataloader().tensors
            return TensorLoader((images, labels), 15, shuffle_seed=self._order_seed)

    seeds = {purpose: derive_seed(0, 0, purpose) for purpose in ("split", "order")}
    job = Job(key=NetworkKey(0, "dense", 0), start={}, ticket=IterativePruningCallback(), seeds=seeds)
    for kind in (Flipped, Twice):
        data = kind(batch_size=30)
        data.prepare()
        with pytest.raises(UserError, match=f"the loaders of {kind.__name__} yield something else"):
            gather(data, [job])
    data = Blobs(batch_size=30)
    data.prepare()
    assert gather(data, [job]).batch_size == 30


class Dropping(TinyNet):
    """With random draws, which networks at once cannot have as each would alone."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.dropout(super().forward(images), 0.5, self.training)


def test_networks_that_draw_at_random_are_refused(stacked: Any, tmp_path: Path) -> None:
    lottery = stacked(tmp_path / "run")
    lottery.lottery.model.net = Dropping()
    with pytest.raises(UserError, match="Dropping cannot be trained at once with others: it draws at random"):
        lottery.run()


@needs_digits
def test_a_user_sees_one_line(tmp_path: Path) -> None:
    config = ("--config", str(REPOSITORY / "configs/quickstart.yaml"))
    ended = in_process(
        "lottery", *config, "--pruning.stack", "2", "--trainer.accumulate_grad_batches", "2", cwd=tmp_path
    )
    assert ended.returncode == 2
    (line,) = ended.stderr.strip().splitlines()
    assert "trainer.accumulate_grad_batches does not apply to that" in line
    assert not (tmp_path / "runs").exists()
