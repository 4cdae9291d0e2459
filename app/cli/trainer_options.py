"""The Trainer's options: which are refused before anything is made, and how they are written into a config.yaml."""

import enum
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import torch
import yaml
from jsonargparse.typing import register_type
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.accelerators import AcceleratorRegistry
from lightning.pytorch.callbacks import ModelSummary
from lightning.pytorch.strategies import StrategyRegistry

from app.cli.parser_messages import did_you_mean
from app.common.errors import UserError
from app.common.ranks import started_together

GPUS = ("gpu", "cuda", "mps")
# The loggers by which Lightning prints the reports of profilers and the summary of a model.
PROFILER, SUMMARY = "lightning.pytorch.profilers.profiler", "lightning.pytorch.callbacks.model_summary"


def check_trainer(arguments: Mapping[str, Any], *, in_run: bool) -> None:
    """Refuse options that Lightning would refuse in words that tell a user little, or that a run directory contradicts.

    Args:
        arguments: of the Trainer.
        in_run: whether a run directory is written.

    Raises:
        UserError: naming the option.
    """
    _check_accelerator(arguments["accelerator"])
    strategy = arguments["strategy"]
    known = ["auto", *StrategyRegistry.available_strategies()]
    if isinstance(strategy, str) and strategy not in known:
        raise _unknown("strategy", strategy, known)
    devices = arguments["devices"]
    if str(devices) in ("0", "[]", "None", ""):
        raise UserError(f"trainer.devices is {devices}: nothing to train on; set it to auto, or to 1 or more")
    if not in_run:
        return
    if arguments["barebones"]:
        raise UserError(
            "trainer.barebones trains without validation and checkpoints, which a run directory is made of; leave it "
            "out, or leave out --experiment"
        )
    if arguments["logger"] is True:
        raise UserError(
            "trainer.logger is true, and Lightning's choice depends on what is installed; name a logger, as in "
            "--trainer.logger configs/logger/csv.yaml"
        )


def check_processes(trainer: Trainer) -> None:
    """Refuse several processes that a launcher has started for a Trainer that knows of one.

    Raises:
        UserError: there are several.
    """
    processes = started_together()
    if trainer.world_size == 1 and processes > 1:
        raise UserError(
            f"{processes} processes were started for a Trainer of one, and each would do all of the work in the same "
            "place; start one process (srun --ntasks=1), or add --trainer.strategy ddp and as many --trainer.devices "
            "as processes on each of --trainer.num_nodes"
        )


def _check_accelerator(accelerator: Any) -> None:
    if not isinstance(accelerator, str):
        return
    known = ["auto", "gpu", *AcceleratorRegistry.available_accelerators()]
    if accelerator not in known:
        raise _unknown("accelerator", accelerator, known)
    there = [name for name in ("cuda", "mps") if AcceleratorRegistry[name]["accelerator"].is_available()]
    if accelerator in GPUS and not (there if accelerator == "gpu" else accelerator in there):
        raise UserError(
            f"trainer.accelerator is {accelerator}, and PyTorch {torch.__version__} finds none here; set it to "
            f"{there[0] if there else 'cpu'} or auto"
        )


def _unknown(option: str, value: str, known: list[str]) -> UserError:
    expected = did_you_mean(value, known) or f"; expected one of {', '.join(known)}"
    return UserError(f"trainer.{option} is {value}{expected}")


def fit_to_any_machine(trainer: Any) -> None:
    """Let a Trainer be made that trains nothing here, on a machine without the devices of the configuration.

    Args:
        trainer: its parsed options.
    """
    trainer.accelerator, trainer.devices, trainer.num_nodes = "cpu", 1, 1
    trainer.strategy, trainer.precision, trainer.plugins = "auto", None, None


def let_speak(arguments: Mapping[str, Any], callbacks: Iterable[Callback]) -> None:
    """Let Lightning print what is asked for, where everything else that it prints is silenced.

    Args:
        arguments: of the Trainer.
        callbacks: of the configuration.
    """
    if arguments["profiler"] is not None:
        logging.getLogger(PROFILER).setLevel(logging.INFO)
    if arguments["enable_model_summary"] or any(isinstance(each, ModelSummary) for each in callbacks):
        logging.getLogger(SUMMARY).setLevel(logging.INFO)


def write_defaults_of_callbacks() -> None:
    """Let configurations be written that hold the defaults of some of Lightning's callbacks: devices and enums."""
    register_type(torch.device, serializer=str, deserializer=torch.device, fail_already_registered=False)
    yaml.add_multi_representer(enum.Enum, _represent_enum, Dumper=yaml.SafeDumper)


def _represent_enum(dumper: yaml.SafeDumper, value: enum.Enum) -> yaml.Node:
    return dumper.represent_data(value.value)
