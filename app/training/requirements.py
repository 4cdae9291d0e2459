"""What a training needs of the Trainer's options, the model and the data, checked before its first iteration."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningDataModule, LightningModule
from lightning.pytorch.loggers.logger import DummyLogger
from lightning.pytorch.utilities.combined_loader import CombinedLoader
from lightning.pytorch.utilities.model_helpers import is_overridden

from app.common import protocols
from app.common.errors import UserError
from app.runs.best_validation import BestValidation
from app.training.length import batches_per_epoch, validations
from app.training.trainer_factory import TrainerFactory
from callbacks.required_metric import not_logged

OF_MODEL = ("training_step", "validation_step", "configure_optimizers")
OF_DATA = ("train_dataloader", "val_dataloader")


def check_counts(arguments: Mapping[str, Any]) -> None:
    """Refuse counts that Lightning takes and then cannot train with, or takes for something else.

    Args:
        arguments: of the Trainer.

    Raises:
        UserError: naming the option.
    """
    for name in ("accumulate_grad_batches", "check_val_every_n_epoch"):
        value = arguments.get(name)
        if value is not None and value < 1:
            raise UserError(f"trainer.{name} is {value}; expected 1 or more")
    interval = arguments.get("val_check_interval")
    if isinstance(interval, int | float) and not (interval >= 1 if isinstance(interval, int) else 0 < interval <= 1):
        raise UserError(
            f"trainer.val_check_interval is {interval}; write a number of batches, at least 1, or a share of an epoch, "
            "above 0 and up to 1.0"
        )
    for name in ("limit_train_batches", "limit_val_batches", "overfit_batches"):
        value = arguments.get(name) or 0
        if value < 0 or (isinstance(value, float) and value > 1):
            raise UserError(
                f"trainer.{name} is {value}; write a number of batches, or a share of all of them from 0.0 to 1.0"
            )
    clip = arguments.get("gradient_clip_val") or 0
    if clip < 0:
        raise UserError(f"trainer.gradient_clip_val is {clip}; expected a number above 0, or null to clip nothing")


def check_training(
    arguments: Mapping[str, Any], model: LightningModule, data: LightningDataModule, world_size: int = 1
) -> None:
    """Check that a training in a run directory can train, and can be validated.

    Args:
        arguments: of the Trainer.
        model: what is to be trained.
        data: prepared and set up.
        world_size: processes that share the training.

    Raises:
        UserError: something is missing.
    """
    for what, part, names in (("model", model, OF_MODEL), ("data", data, OF_DATA)):
        if missing := [name for name in names if not is_overridden(name, part)]:
            raise UserError(
                f"{type(part).__name__} has no {' and no '.join(missing)}; define it: {what} of a training with a run "
                f"directory needs {', '.join(names)}"
            )
    interval = arguments.get("val_check_interval")
    if isinstance(interval, str | Mapping):
        raise UserError(
            "trainer.val_check_interval is a time; write a number of batches or a share of an epoch, so that the same "
            "command means the same run"
        )
    if _none(arguments.get("overfit_batches") or arguments.get("limit_val_batches")):
        raise UserError("trainer.limit_val_batches is 0: nothing would be measured; leave it out, or set it above 0")
    batches = batches_per_epoch(arguments, data, world_size)
    too_long = isinstance(interval, int) and interval > batches + _slack(data, batches)
    if too_long and arguments.get("check_val_every_n_epoch") is not None:
        raise UserError(
            f"trainer.val_check_interval is {interval:,}, and an epoch has {batches:,} batches; validate more often, "
            "or set trainer.check_val_every_n_epoch to null to count batches across epochs"
        )
    loaders = CombinedLoader(data.val_dataloader(), "sequential").flattened
    if not any(_length(loader) for loader in loaders if loader is not None):
        raise UserError(
            f"{type(data).__name__}.val_dataloader() has no batch, so nothing can be measured; give it validation data"
        )


def check_validated(
    arguments: Mapping[str, Any], data: LightningDataModule, iterations: int, world_size: int = 1
) -> None:
    """Check that a training is validated at least once before it ends.

    Args:
        arguments: of the Trainer.
        data: prepared and set up.
        iterations: optimiser steps of the training.
        world_size: processes that share the training.

    Raises:
        UserError: it would end without one.
    """
    if validations(arguments, data, iterations + _slack(data, iterations), world_size) > 0:
        return
    raise UserError(
        f"a training of {iterations:,} iterations ends before its first validation (trainer.val_check_interval "
        f"{arguments.get('val_check_interval')}, trainer.check_val_every_n_epoch "
        f"{arguments.get('check_val_every_n_epoch')}, {batches_per_epoch(arguments, data, world_size):,} batches in an "
        "epoch); validate more often, or train longer"
    )


def check_monitor(
    best: BestValidation, model: LightningModule, data: LightningDataModule, make_trainer: TrainerFactory
) -> None:
    """Validate on one batch, to see before the training whether what decides on the best validation is logged.

    Args:
        best: how validations are compared.
        model: what is to be trained; nothing is asked of one that declares its metrics.
        data: prepared and set up.
        make_trainer: a fresh Trainer from the configuration.

    Raises:
        UserError: it is not logged.
    """
    if protocols.metric_schema(model) is not None:
        return
    with tempfile.TemporaryDirectory() as root:
        trainer = make_trainer(Path(root), [], [DummyLogger()], limit_val_batches=1, inference_mode=False)
        try:
            trainer.validate(model, datamodule=data, verbose=False)
        except Exception:  # a module may need what only a training gives it; the training tells more
            return
    logged = trainer.callback_metrics
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    users = [each for each in callbacks if not type(each).__module__.startswith("lightning.")]
    of_loaders = any(name.startswith(f"{best.monitor}/dataloader_idx_") for name in logged)
    # Other names may be logged by a training only: what begins with another word, and what callbacks log.
    if of_loaders or (best.monitor.startswith("val") and best.monitor not in logged and not users):
        raise not_logged(best.monitor, model, logged)


def check_test(model: LightningModule, data: LightningDataModule, make_trainer: TrainerFactory) -> None:
    """Test on one batch, where the end of the training will: an error of the model's then would come after it all.

    Args:
        model: what is to be trained; nothing is asked of one that declares its metrics.
        data: prepared and set up.
        make_trainer: a fresh Trainer from the configuration.
    """
    if protocols.metric_schema(model) is not None or not is_tested(model, data):
        return
    with tempfile.TemporaryDirectory() as root:
        trainer = make_trainer(Path(root), [], [DummyLogger()], limit_test_batches=1, inference_mode=False)
        trainer.test(model, datamodule=data, verbose=False)


def is_tested(model: LightningModule, data: LightningDataModule) -> bool:
    """Whether a model and its data can be tested."""
    return is_overridden("test_step", model) and is_overridden("test_dataloader", data)


def _slack(data: LightningDataModule, count: int) -> int:
    """By how much a count may be wrong: where data says how long its epochs are, that may be an estimate."""
    return count // 10 if hasattr(data, "iterations_per_epoch") else 0


def _none(limit: Any) -> bool:
    return limit is not None and limit == 0


def _length(loader: Any) -> int:
    """The length of a loader; 1 where it has none."""
    try:
        return len(loader)
    except TypeError:
        return 1
