"""What is checked before the first training: counts of the Trainer, the parts of model and data, the validations."""

import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import user_modules
from helpers.command import in_process
from helpers.tiny import tiny_trainer
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset

from app.common.errors import UserError
from app.runs.best_validation import BestValidation
from app.training.length import batches_per_epoch, steps_per_epoch, training_iterations, validations
from app.training.requirements import check_counts, check_monitor, check_training, check_validated

# What Lightning's Trainer has where nothing is said.
DEFAULTS: dict[str, Any] = {
    "max_epochs": 2,
    "max_steps": -1,
    "limit_train_batches": None,
    "limit_val_batches": None,
    "overfit_batches": 0.0,
    "val_check_interval": None,
    "check_val_every_n_epoch": 1,
    "accumulate_grad_batches": 1,
    "use_distributed_sampler": True,
    "gradient_clip_val": None,
}


def images() -> user_modules.Images:
    """Five batches in an epoch."""
    data = user_modules.Images()
    data.setup()
    return data


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("val_check_interval", value) for value in (0, -10, 0.0, 1.5, -0.5)),
        *(("accumulate_grad_batches", value) for value in (0, -2)),
        *(("check_val_every_n_epoch", value) for value in (0, -1)),
        *(("limit_val_batches", value) for value in (-1, 1.5)),
        ("limit_train_batches", -0.5),
        ("overfit_batches", -3),
        ("gradient_clip_val", -1.0),
    ],
)
def test_a_count_that_is_none_is_refused(name: str, value: float) -> None:
    with pytest.raises(UserError, match=rf"^trainer\.{name} is {value}[;,]"):
        check_counts(DEFAULTS | {name: value})


@pytest.mark.parametrize(
    "given",
    [
        *({}, {"val_check_interval": 1}, {"val_check_interval": 1.0}, {"val_check_interval": "00:00:10:00"}),
        {"check_val_every_n_epoch": None, "val_check_interval": 1000},
        {"limit_val_batches": 1.0, "overfit_batches": 3},
    ],
    ids=str,
)
def test_counts_that_lightning_trains_with_are_taken(given: dict[str, Any]) -> None:
    check_counts(DEFAULTS | given)


class NoSteps(user_modules.ResNet):
    training_step = LightningModule.training_step
    validation_step = LightningModule.validation_step


class NoOptimizer(user_modules.ResNet):
    configure_optimizers = LightningModule.configure_optimizers


class NoValidation(user_modules.Images):
    val_dataloader = LightningDataModule.val_dataloader


class EmptyValidation(user_modules.Images):
    def val_dataloader(self) -> list[DataLoader]:
        return [DataLoader(Subset(self.sets[1], []))]


class NoLoaders(user_modules.Images):
    def val_dataloader(self) -> list[DataLoader]:
        return []


@pytest.mark.parametrize(
    ("model", "data", "given", "says"),
    [
        (NoSteps, user_modules.Images, {}, "NoSteps has no training_step and no validation_step; define it"),
        (NoOptimizer, user_modules.Images, {}, "NoOptimizer has no configure_optimizers"),
        (user_modules.ResNet, NoValidation, {}, "NoValidation has no val_dataloader"),
        (user_modules.ResNet, EmptyValidation, {}, r"EmptyValidation.val_dataloader\(\) has no batch"),
        (user_modules.ResNet, NoLoaders, {}, r"NoLoaders.val_dataloader\(\) has no batch"),
        (user_modules.ResNet, user_modules.Images, {"limit_val_batches": 0}, "limit_val_batches is 0"),
        (user_modules.ResNet, user_modules.Images, {"limit_val_batches": 0.0}, "limit_val_batches is 0"),
        (user_modules.ResNet, user_modules.Images, {"val_check_interval": "00:00:00:05"}, "is a time"),
        (user_modules.ResNet, user_modules.Images, {"val_check_interval": 6}, "is 6, and an epoch has 5 batches"),
    ],
)
def test_what_is_missing_is_named(
    model: type[LightningModule], data: type[user_modules.Images], given: dict[str, Any], says: str
) -> None:
    parts = data()
    parts.setup()
    with pytest.raises(UserError, match=says):
        check_training(DEFAULTS | given, model(), parts)


class Endless(IterableDataset):
    def __iter__(self) -> Any:
        return iter(torch.zeros(3, 2))


class Lengthless(LightningDataModule):
    def train_dataloader(self) -> DataLoader:
        return DataLoader(Endless())

    def val_dataloader(self) -> DataLoader:
        return DataLoader(Endless())


def test_loaders_without_a_length_are_taken() -> None:
    check_training(DEFAULTS, user_modules.ResNet(), Lengthless())
    assert validations(DEFAULTS, Lengthless(), 100) == 1
    assert training_iterations(DEFAULTS | {"max_steps": 7}, Lengthless()) == 7


class Counted(LightningModule):
    """Records at which iterations it is validated."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.validated: list[int] = []

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        return self.layer(batch[0]).sum()

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        if batch_idx == 0:
            self.validated.append(self.global_step)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.0)


class Eleven(LightningDataModule):
    """Eleven batches in an epoch."""

    def train_dataloader(self) -> DataLoader:
        return DataLoader(TensorDataset(torch.zeros(11, 1)))

    val_dataloader = train_dataloader


@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*LeafSpec.* is deprecated:FutureWarning")
@pytest.mark.filterwarnings("ignore:You requested to overfit")
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"accumulate_grad_batches": 4},
        {"accumulate_grad_batches": 4, "max_epochs": -1, "max_steps": 7},
        {"limit_train_batches": 0.5},
        {"limit_train_batches": 3},
        {"overfit_batches": 2},
        {"overfit_batches": 0.5, "limit_train_batches": 1},
        {"val_check_interval": 4},
        {"val_check_interval": 0.25},
        {"val_check_interval": 4, "check_val_every_n_epoch": 2, "max_epochs": 5},
        {"val_check_interval": 4, "check_val_every_n_epoch": 2, "max_epochs": -1, "max_steps": 20},
        {"val_check_interval": 4, "check_val_every_n_epoch": None, "accumulate_grad_batches": 3},
        {"val_check_interval": 100, "check_val_every_n_epoch": None},
        {"check_val_every_n_epoch": 3},
        {"max_epochs": 3, "max_steps": 17, "val_check_interval": 5},
    ],
    ids=str,
)
def test_lengths_and_validations_are_those_that_lightning_makes(given: dict[str, Any], tmp_path: Path) -> None:
    """Epochs count optimiser steps and not batches, whatever accumulates, limits or overfits."""
    arguments, model, data = DEFAULTS | given, Counted(), Eleven()
    trainer = Trainer(
        **arguments,
        **dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False),
        accelerator="cpu",
        num_sanity_val_steps=0,
        default_root_dir=tmp_path,
    )
    trainer.fit(model, data)
    iterations = training_iterations(arguments, data)
    assert trainer.global_step == iterations
    assert trainer.num_training_batches == batches_per_epoch(arguments, data)
    assert validations(arguments, data, iterations) == len(model.validated)
    if not model.validated:
        with pytest.raises(UserError, match=f"of {iterations} iterations ends before its first validation"):
            check_validated(arguments, data, iterations)


@pytest.mark.parametrize(
    ("rows", "size", "drop_last", "steps"), [(11, 1, False, 6), (11, 2, False, 3), (11, 2, True, 3)]
)
def test_processes_share_the_batches_of_a_plain_loader(rows: int, size: int, drop_last: bool, steps: int) -> None:
    class Shared(Eleven):
        def train_dataloader(self) -> DataLoader:
            return DataLoader(TensorDataset(torch.zeros(rows, 1)), size, drop_last=drop_last)

    assert steps_per_epoch(DEFAULTS, Shared(), world_size=2) == steps
    alone = rows // size if drop_last else -(-rows // size)
    assert steps_per_epoch(DEFAULTS | {"use_distributed_sampler": False}, Shared(), world_size=2) == alone
    assert steps_per_epoch(DEFAULTS, Shared()) == alone


@pytest.mark.parametrize(
    "length", [{"max_epochs": None}, {"max_epochs": 0}, {"max_steps": 0}, {"max_epochs": -1}], ids=str
)
def test_a_training_without_a_length_is_refused(length: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="a training has no length"):
        training_iterations(DEFAULTS | length, images())


@pytest.mark.parametrize("limit", [{"limit_train_batches": 0}, {"limit_train_batches": 0.01}], ids=str)
def test_a_training_without_a_batch_is_refused(limit: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"no batch.*limit_train_batches 0"):
        training_iterations(DEFAULTS | limit, images())


@pytest.mark.parametrize(
    ("command", "options", "says"),
    [
        ("fit", ("--trainer.accumulate_grad_batches", "0"), "trainer.accumulate_grad_batches is 0"),
        ("lottery", ("--trainer.val_check_interval", "0"), "trainer.val_check_interval is 0"),
        ("lottery", ("--trainer.limit_val_batches", "0"), "trainer.limit_val_batches is 0"),
        ("lottery", ("--trainer.max_time", "00:00:00:01"), "trainer.max_time would end the networks by the clock"),
        ("lottery", ("--seed_everything=-1",), "seed_everything is -1; expected a whole number from 0 to"),
        ("fit", ("--seed_everything=4294967296",), "seed_everything is 4294967296"),
        ("fit", ("--trainer.val_check_interval", "50"), "trainer.val_check_interval is 50, and an epoch has 5 batches"),
        ("fit", ("--trainer.check_val_every_n_epoch", "3"), "ends before its first validation"),
    ],
)
def test_refused_before_anything_is_written(command: str, options: tuple[str, ...], says: str, tmp_path: Path) -> None:
    shutil.copy(user_modules.__file__, tmp_path)
    parts = ("--model", "user_modules.ResNet", "--data", "user_modules.Images", "--experiment", "mine")
    done = in_process(command, *parts, "--trainer.max_epochs", "2", *options, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.rglob("config.yaml"))


class ByLoader(user_modules.ResNet):
    """Lightning adds the number of the loader to what its validation steps log."""

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        super().validation_step(batch, batch_idx)


class TwoLoaders(user_modules.Images):
    def val_dataloader(self) -> list[DataLoader]:
        return [super().val_dataloader(), super().test_dataloader()]


class Needy(user_modules.ResNet):
    """Cannot be validated without a training."""

    def on_fit_start(self) -> None:
        self.weight = 1.0

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        self.log("val_loss", self.weight)


class Logs(Callback):
    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        pl_module.logger.experiment.add_scalar("x", 1)


def factory(*more: Callback) -> Any:
    def make_trainer(root: Path, callbacks: list[Callback], logger: list[Any], **arguments: Any) -> Trainer:
        return tiny_trainer([*more, *callbacks], **{"default_root_dir": root, "logger": logger} | arguments)

    return make_trainer


@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*LeafSpec.* is deprecated:FutureWarning")
@pytest.mark.parametrize(
    ("model", "data", "monitor", "callbacks", "refused"),
    [
        (ByLoader, TwoLoaders, "val_loss", [], True),
        (ByLoader, TwoLoaders, "val_loss/dataloader_idx_0", [], False),
        (user_modules.ResNet, user_modules.Images, "val_lss", [], True),
        (user_modules.ResNet, user_modules.Images, "val_loss", [], False),
        # What only a training or a callback logs is found out there.
        (user_modules.ResNet, user_modules.Images, "loss", [], False),
        (user_modules.ResNet, user_modules.Images, "val_lss", [Logs()], False),
        (Needy, user_modules.Images, "val_lss", [], False),
    ],
)
def test_what_decides_on_the_best_is_looked_for_before_the_training(
    model: type[LightningModule],
    data: type[user_modules.Images],
    monitor: str,
    callbacks: list[Callback],
    refused: bool,
) -> None:
    parts, module = data(), model()
    parts.setup()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    says = rf"best.monitor is '{monitor}', which {model.__name__} does not log at validations; it logs val_acc"
    with pytest.raises(UserError, match=says) if refused else nullcontext():
        check_monitor(BestValidation(monitor=monitor), module, parts, factory(*callbacks))
    assert all(value.equal(before[name]) for name, value in module.state_dict().items())


def test_data_that_estimates_the_length_of_its_epochs_is_believed_roughly_only() -> None:
    class Windows(Eleven):
        iterations_per_epoch = 11

    arguments = DEFAULTS | {"max_steps": 10, "max_epochs": -1}
    check_validated(arguments, Windows(), 10)
    with pytest.raises(UserError, match="ends before its first validation"):
        check_validated(arguments, Eleven(), 10)
    check_training(DEFAULTS | {"val_check_interval": 12}, Counted(), Windows())
    with pytest.raises(UserError, match="is 12, and an epoch has 11 batches"):
        check_training(DEFAULTS | {"val_check_interval": 12}, Counted(), Eleven())
