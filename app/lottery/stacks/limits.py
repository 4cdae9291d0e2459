"""Checks that the networks of a lottery can be trained at once."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import nn

from app.common.errors import UserError
from app.common.protocols import Indexed, Stackable
from app.lottery.settings import Pruning
from app.training.logger_runs import rounds_loggers

PRECISIONS = ("32-true", "64-true")
# Arguments of the Trainer that are followed, or that change no training; all others have to be Lightning's defaults.
KNOWN = (
    *("accelerator", "strategy", "devices", "num_nodes", "precision", "logger"),
    *("max_epochs", "max_steps", "val_check_interval", "check_val_every_n_epoch", "num_sanity_val_steps"),
    *("gradient_clip_val", "gradient_clip_algorithm", "log_every_n_steps", "use_distributed_sampler"),
    *("enable_progress_bar", "enable_checkpointing", "enable_model_summary", "default_root_dir", "profiler"),
    *("deterministic", "benchmark", "inference_mode"),
)
TRANSFERS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")


def check_stack(
    settings: Pruning,
    trainer: Trainer,
    model: LightningModule,
    data: LightningDataModule,
    arguments: Mapping[str, Any],
    loggers: Sequence[Logger],
) -> None:
    """Check that nothing is asked for that networks trained at once do not have.

    Args:
        settings: of the lottery.
        trainer: of the configuration.
        model: the module to prune.
        data: what it is trained on.
        arguments: of the Trainer, in the configuration.
        loggers: of the configuration.

    Raises:
        UserError: something is; it says what, and what to do.
    """
    reason = _reason(settings, trainer, model, data, arguments, loggers)
    if reason:
        raise UserError(f"pruning.stack trains networks at once, and {reason}, or choose --pruning.stack 1")
    assert isinstance(model, Stackable)
    if reason := _reason_of_net(model.stackable().net):  # `stackable` raises a UserError of its own
        raise UserError(f"pruning.stack trains networks at once, and {reason}, or choose --pruning.stack 1")


def _reason_of_net(net: nn.Module) -> str:
    """Why networks like this one cannot be trained at once; empty if they can."""
    names = {name for name, _ in net.named_parameters(remove_duplicate=False)}
    if tied := sorted(names - {name for name, _ in net.named_parameters()}):
        return f"the weights of {tied[0]} are those of another layer too; give the network no tied weights"
    if frozen := [name for name, parameter in net.named_parameters() if not parameter.requires_grad]:
        return f"{frozen[0]} is frozen (requires_grad is False); let it be trained"
    return ""


def _reason(
    settings: Pruning,
    trainer: Trainer,
    model: LightningModule,
    data: LightningDataModule,
    arguments: Mapping[str, Any],
    loggers: Sequence[Logger],
) -> str:
    if settings.workers > 1:
        return f"pruning.workers {settings.workers} trains them in several processes; choose one of the two"
    if not isinstance(trainer.strategy, SingleDeviceStrategy):
        return f"{type(trainer.strategy).__name__} trains on several devices; use one device and no strategy"
    if trainer.precision not in PRECISIONS:
        return f"trainer.precision is {trainer.precision}; use {' or '.join(PRECISIONS)}"
    if not isinstance(model, Stackable):
        return f"{type(model).__name__} cannot be; use app.modules.Classifier"
    if not isinstance(data, Indexed):
        return f"{type(data).__name__} does not give all its rows at once; use image data in memory, such as MNIST"
    if getattr(data, "augment", False):
        return f"{type(data).__name__} changes the images of every batch (data.augment); set it to false"
    if "best" in settings.keep:
        return "pruning.keep names best, a checkpoint for each of them; leave it out"
    for method in settings.all_methods:
        if any(method.callbacks(key) for key in method.networks(0, settings.rounds)):
            return f"the method {method.name} adds callbacks to their trainings; leave it out"
    if len(rounds_loggers(list(loggers))) < len(loggers):
        names = ", ".join(sorted({type(logger).__name__ for logger in loggers}))
        return f"only RoundsWandbLogger can log that, not {names}; use --trainer.logger false"
    if not isinstance(arguments.get("val_check_interval"), int | float | None):
        return "trainer.val_check_interval is a time; give iterations or a share of an epoch"
    changed = [name for name in TRANSFERS if getattr(type(data), name) is not getattr(LightningDataModule, name)]
    if changed:
        return f"{type(data).__name__} changes batches on their way ({changed[0]}); leave it out"
    defaults = inspect.signature(Trainer.__init__).parameters
    for name, value in arguments.items():
        if name not in KNOWN and value not in (defaults[name].default, None) and value != []:
            if name in ("limit_train_batches", "limit_val_batches", "limit_test_batches") and value == 1.0:
                continue
            return f"trainer.{name} does not apply to that; leave it out"
    return ""
