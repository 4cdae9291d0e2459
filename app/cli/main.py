"""Run a subcommand that needs a model, and turn the user's mistakes into one line."""

import logging
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule

from app.cli.config_files import check_config_files
from app.cli.mistakes import user_error
from app.cli.parser import EVERY, MEASURES
from app.cli.shipped_configs import with_paths
from app.cli.subcommands import CLI
from app.cli.trained_model import TrainedModel, run_options, trained_model
from app.common.errors import RunError, UserError
from app.common.rank_watch import lost_process
from app.lottery.experiment import Experiment
from app.lottery.workers.parent import Parent

CKPT_PATH = "--ckpt_path"
ONE_PROCESS = {"strategy": "auto", "devices": 1, "num_nodes": 1}


def main(argv: list[str], loaded: Callable[[], None]) -> None:
    """Run a subcommand that needs a model.

    Args:
        argv: the command line; `parse RUN`, `syntax RUN`, `test RUN`, ... name a trained network by its run directory.
        loaded: called before the subcommand prints anything.

    Raises:
        UserError: for what the command line or a configuration file gets wrong.
    """
    argv = with_paths(argv)
    check_config_files(argv)
    argv, trained = _named_network(argv)
    # Lightning warns where arguments come from two places.
    sys.argv[1:] = argv
    _run(None, trained=trained, loaded=loaded)


def work(parent: Parent) -> None:
    """Train networks of a lottery for the process that started this one, with its configuration.

    Raises:
        UserError: what the configuration names is no longer what it was.
    """
    del sys.argv[1:]
    _run({"subcommand": "lottery", "lottery": parent.config}, parent)


def study(config: dict[str, Any], carry_out: Callable[[Experiment], Any]) -> None:
    """Carry out a study of a lottery, whose networks are made as its command makes them.

    Args:
        config: the lottery's.
        carry_out: the study.

    Raises:
        UserError: what the configuration names is no longer what it was, or the study is impossible.
    """
    del sys.argv[1:]
    _run({"subcommand": "lottery", "lottery": in_one_process(config)}, study=carry_out)


def in_one_process(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a lottery whose networks were each trained by several processes, for one.

    Args:
        config: of any lottery; left as it is where one process trains a network.
    """
    trainer = dict(config["trainer"])
    devices, strategy = str(trainer["devices"]), trainer["strategy"]
    several = (devices.isdecimal() and int(devices) > 1) or trainer["num_nodes"] > 1 or strategy != "auto"
    return {**config, "trainer": trainer | ONE_PROCESS if several else trainer}


def make_network(directory: Path) -> tuple[LightningModule, LightningDataModule]:
    """The model and the data that a run directory was made with; weights are those that the model begins with.

    Args:
        directory: of a trained network.

    Raises:
        UserError: what its configuration names is no longer what it was.
    """
    del sys.argv[1:]
    quiet()
    options = run_options(directory)
    try:
        made = CLI({name: options[name] for name in ("model", "data") if name in options}, run=False)
    except Exception as error:
        if (mistake := user_error(error)) is None:
            raise
        raise mistake from None
    return made.model, made.datamodule


def _named_network(argv: list[str]) -> tuple[list[str], TrainedModel | None]:
    """The command line with a run directory replaced by its checkpoint, and what is known of the network there."""
    if not argv or argv[0] not in MEASURES:
        return argv, None
    command, *rest = argv
    if rest and not rest[0].startswith("-"):
        trained = trained_model(Path(rest[0]), every=command in EVERY)
        named = _value(CKPT_PATH, rest)
        if trained.weights is None:
            if named:
                raise UserError(f"{CKPT_PATH} names one network, and {rest[0]} is a lottery; leave one of them out")
            return [command, *rest[1:]], trained
        return [command, *([] if named else [CKPT_PATH, str(trained.weights)]), *rest[1:]], trained
    named = _value(CKPT_PATH, rest)
    configured = any(_value(option, rest) for option in ("--config", "-c", "--model"))
    if configured or any(each.startswith(("-h", "--help", "--print_config", "--model.")) for each in rest):
        return argv, None
    if named is None:
        raise UserError(f"{command} needs a trained network: give its run directory, as in {command} runs/mine/seed_0")
    if not Path(named).is_file():
        raise UserError(f"{CKPT_PATH} {named}: no such file")
    return argv, trained_model(Path(named))


def _value(option: str, argv: list[str]) -> str | None:
    """The value of an option on a command line."""
    for place, argument in enumerate(argv):
        name, equals, value = argument.partition("=")
        if name == option:
            return value if equals else next(iter(argv[place + 1 :]), None)
    return None


def _run(
    arguments: dict[str, Any] | None,
    parent: Parent | None = None,
    trained: TrainedModel | None = None,
    study: Callable[[Experiment], Any] | None = None,
    loaded: Callable[[], None] = lambda: None,
) -> None:
    quiet()
    try:
        CLI(arguments, parent, trained, study=study, loaded=loaded)
    except Exception as error:
        if (mistake := user_error(error)) is not None:
            raise mistake from None
        if lost := lost_process(error):
            raise RunError(lost) from None
        raise


def quiet() -> None:
    """Silence what Lightning says of every new Trainer: a lottery makes hundreds, and one line at the start says it."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=r".*LeafSpec.* is deprecated")
    # It is said of every Trainer wherever SLURM is installed; processes that do not fit the Trainer are refused anyway.
    warnings.filterwarnings("ignore", message=r"The `srun` command is available on your system but is not used")
    # The run directory is ours, and a training that goes on finds its checkpoints there.
    warnings.filterwarnings("ignore", message=r"Checkpoint directory .* exists and is not empty")
    # Commands that only measure need the weights of a checkpoint and nothing of the callbacks that were there.
    warnings.filterwarnings("ignore", message=r"Be aware that when using `ckpt_path`, callbacks used to create")
    # A ticket that goes on from a later moment than iteration 0 begins its averages there.
    warnings.filterwarnings("ignore", message=r"The checkpoint was not created with WeightAveraging")
    warnings.filterwarnings("ignore", message=r"SWA is initializing after swa_start without any checkpoint data")
    # A training that begins with another's checkpoint keeps the best of its own.
    warnings.filterwarnings("ignore", message=r"The dirpath has changed from")
    # Ours are logged with every validation, not every so many steps.
    warnings.filterwarnings("ignore", message=r"The number of training batches .* smaller than the logging interval")
