"""The command line: LightningCLI with subcommands of our own, and one-line answers to mistakes."""

import logging
import sys
import warnings
from argparse import ArgumentError
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import Namespace
from jsonargparse.typing import PositiveFloat, PositiveInt
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import Logger
from typing_extensions import override

import app.modules
import app.nets  # noqa: F401 - class paths of checkpoints resolve only to what is imported
import datamodules  # noqa: F401
from app.cli.trainer import Context, LotteryTrainer
from app.common.errors import UserError
from app.lottery.workers.parent import Superior
from app.runs.best_validation import Best, configured_best
from app.runs.checkpoints import check_weights, read_checkpoint
from app.training.fit import Fit
from app.training.profiler import Unprofiled

SUBCOMMANDS = ("fit", "validate", "test", "predict", "lottery", "parse", "syntax")

# Subcommands that only measure.
SILENT = ("validate", "test", "predict", "parse", "syntax")

# Those of them that Lightning runs; ours look for their checkpoint themselves.
LIGHTNINGS_OWN = ("validate", "test", "predict")

# What Lightning finds a checkpoint by, where no path is given.
LIGHTNINGS_OWN_PATHS = ("best", "last", "hpc", "registry")

LOGGER = "app.training.RoundsWandbLogger"
TRAINER_DEFAULTS: dict[str, Any] = {
    "logger": {"class_path": LOGGER},
    "val_check_interval": 100,
    "check_val_every_n_epoch": None,
    "num_sanity_val_steps": -1,
    "use_distributed_sampler": False,
}


class SaveFitConfig(SaveConfigCallback):
    """Keeps the configuration of a training beside it; what only measures leaves nothing behind."""

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            super().setup(trainer, pl_module, stage)


class CLI(LightningCLI):
    """Any of our modules with any of our datamodules, by class path.

    Args:
        args: the command line; the process's own where it is left out.
        superior: the process that this one works for, if any.
        run: whether to run the subcommand that is asked for.
    """

    def __init__(
        self,
        args: list[str] | dict[str, Any] | None = None,
        superior: Superior | None = None,
        *,
        run: bool = True,
    ) -> None:
        self._superior = superior
        strict = {"exit_on_error": False, "allow_abbrev": False}
        main = {"prog": "python -m app"} | strict
        super().__init__(
            LightningModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            trainer_class=LotteryTrainer,
            trainer_defaults=TRAINER_DEFAULTS,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            save_config_callback=SaveFitConfig,
            save_config_kwargs={"overwrite": True},
            parser_kwargs=main | {name: dict(strict) for name in SUBCOMMANDS},
            args=args,
            run=run,
        )

    @staticmethod
    @override
    def subcommands() -> dict[str, set[str]]:
        ours = {name: {"model", "datamodule"} for name in ("lottery", "parse", "syntax")}
        return {**LightningCLI.subcommands(), **ours}

    @override
    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--threads", type=PositiveInt, default=1, help="torch's CPU threads per process.")
        parser.add_argument("--experiment", type=str | None, help="Name of the experiment and of its run directory.")
        parser.add_argument("--runs", type=str, default="runs", help="Directory of all experiments.")
        parser.add_argument("--best", type=Best, default=Best(), help="Which validation of fit best.ckpt is of.")
        parser.add_argument(
            "--checkpoint_seconds",
            type=PositiveFloat,
            default=15.0,
            help="How often a training in progress is saved, and so how much of it a kill can cost.",
        )

    @override
    def _parse_ckpt_path(self) -> None:
        """Look at the checkpoint before anything is made; hyper-parameters come from the configuration alone."""
        path = self.config[self.config.subcommand].get("ckpt_path") if self.config.get("subcommand") else None
        if path is not None and path not in LIGHTNINGS_OWN_PATHS:
            read_checkpoint(Path(path))

    @override
    def _set_seed(self) -> None:
        if self._writes_a_run() and isinstance(self._get(self.config, "seed_everything"), bool):
            raise UserError("seed_everything must be a whole number here, so that the same command means the same run")
        super()._set_seed()

    def _writes_a_run(self) -> bool:
        return self.subcommand in ("fit", "lottery") and self._get(self.config, "experiment") is not None

    @override
    def before_instantiate_classes(self) -> None:
        torch.set_num_threads(self._get(self.config, "threads"))
        trainer = self._get(self.config, "trainer")
        if self.subcommand in SILENT and getattr(trainer.logger, "class_path", None) == LOGGER:
            trainer.logger = False  # they print what they measure; who wants it logged names another logger

    def before_lottery(self) -> None:
        """Hand the Trainer what it takes to make more of its kind."""
        self._tell_trainer()
        if configured_best(self.config_dump) != Best():
            raise UserError(f"best is for fit; networks of a lottery stop early where {Best().monitor} is least")

    def before_parse(self) -> None:
        """Tell the Trainer where checkpoints are."""
        self._tell_trainer()

    def before_syntax(self) -> None:
        """Tell the Trainer where checkpoints are."""
        self._tell_trainer()

    def _tell_trainer(self) -> None:
        assert isinstance(self.trainer, LotteryTrainer)
        self.trainer.context = self._context()

    @override
    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        """What only measures takes the best checkpoint of the experiment where none is named."""
        arguments = super()._prepare_subcommand_kwargs(subcommand)
        if subcommand in LIGHTNINGS_OWN and self._get(self.config, "experiment") is not None:
            arguments["ckpt_path"] = self._context().checkpoint(arguments.get("ckpt_path"))
        path = arguments.get("ckpt_path")
        if subcommand in ("fit", *LIGHTNINGS_OWN) and path is not None and path not in LIGHTNINGS_OWN_PATHS:
            check_weights(self.model, Path(path))
        return arguments

    def fit(self, model: LightningModule, **arguments: Any) -> None:
        """Train one network; with an experiment's name in a run directory, which the same command goes on with."""
        if not self._writes_a_run() or self._get(self.config, "trainer").fast_dev_run:
            self.trainer.fit(model, **arguments)
            return
        context = self._context()
        Fit(
            model=model,
            data=arguments["datamodule"],
            layout=context.fit_layout,
            seed=context.seed,
            threads=context.threads,
            config=context.config,
            make_trainer=self.fresh_trainer,
            make_loggers=context.make_loggers,
            checkpoint_seconds=context.checkpoint_seconds,
            start=arguments.get("ckpt_path"),
        ).run()

    def _context(self) -> Context:
        self._dump_config()
        return Context(
            seed=self._get(self.config, "seed_everything"),
            threads=self._get(self.config, "threads"),
            experiment=self._get(self.config, "experiment"),
            runs=Path(self._get(self.config, "runs")),
            checkpoint_seconds=self._get(self.config, "checkpoint_seconds"),
            config=self.config_dump,
            make_trainer=self.network_trainer,
            make_loggers=lambda: _as_list(self._trainer_arguments()["logger"]),
            superior=self._superior,
        )

    def network_trainer(self, root: Path, callbacks: list[Callback], logger: list[Logger], **arguments: Any) -> Trainer:
        """A Trainer for one network of a lottery; arguments as for `fresh_trainer`."""
        ours = {
            # Iteration 0 is measured by a sanity check over the whole sets.
            "num_sanity_val_steps": -1,
            # The length is given in iterations, because a training is resumed at any of them, but not at any epoch.
            "max_epochs": -1,
        }
        return self.fresh_trainer(root, callbacks, logger, **ours | arguments)

    def fresh_trainer(self, root: Path, callbacks: list[Callback], logger: list[Logger], **arguments: Any) -> Trainer:
        """A Trainer for one network, from the parsed configuration.

        Args:
            root: directory of the network.
            callbacks: added to those of the configuration, which are made anew.
            logger: used instead of those of the configuration.
            arguments: override the configuration.
        """
        configured = self._trainer_arguments()
        ours = {
            "default_root_dir": root,
            "callbacks": [*_as_list(configured["callbacks"]), *callbacks],
            "logger": logger,
            # Ours show their own progress, and checkpoint and summarise in their own files.
            "enable_progress_bar": False,
            "enable_checkpointing": False,
            "enable_model_summary": False,
            "use_distributed_sampler": False,
            "profiler": configured["profiler"] or Unprofiled(),
        }
        return LotteryTrainer(**configured | ours | arguments)

    def _trainer_arguments(self) -> dict[str, Any]:
        """The trainer's part of the configuration, instantiated anew: Lightning adds to the lists of the first one."""
        parser = LightningArgumentParser()
        parser.add_lightning_class_args(LotteryTrainer, "trainer")
        config = Namespace(trainer=self._get(self.config, "trainer").clone())  # type: ignore[no-untyped-call]
        return dict(vars(parser.instantiate_classes(config).trainer))


def _as_list(value: Any) -> list[Any]:
    if value is None or isinstance(value, bool):
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _mistake(error: BaseException) -> UserError | None:
    """The user's mistake behind an exception, as one line; None where there is none.

    jsonargparse says what it finds over several lines, and wraps its own words around what our constructors find.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, UserError):
        cause = cause.__cause__
    if cause is None and isinstance(error, ArgumentError | yaml.YAMLError):
        return UserError(" ".join(str(error).split()))
    return cause


def quiet() -> None:
    """Lightning tells of every new Trainer what one line at the start would say; a lottery makes hundreds."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=r".*LeafSpec.* is deprecated")
    # The run directory is ours, and a training that goes on finds its checkpoints there.
    warnings.filterwarnings("ignore", message=r"Checkpoint directory .* exists and is not empty")
    # What only measures needs the weights of a checkpoint and nothing of the callbacks that were there.
    warnings.filterwarnings("ignore", message=r"Be aware that when using `ckpt_path`, callbacks used to create")
    # Ours are logged with every validation, not every so many steps.
    warnings.filterwarnings("ignore", message=r"The number of training batches .* smaller than the logging interval")


def main(argv: list[str]) -> None:
    """Run a subcommand that needs a model.

    Raises:
        UserError: for what the command line or a configuration file gets wrong.
    """
    # Lightning warns where arguments come from two places.
    _run(None if argv == sys.argv[1:] else argv)


def work(superior: Superior) -> None:
    """Train networks of a lottery for the process that started this one, with its configuration.

    Raises:
        UserError: what the configuration names is no longer what it was.
    """
    del sys.argv[1:]
    _run({"subcommand": "lottery", "lottery": superior.config}, superior)


def _run(arguments: list[str] | dict[str, Any] | None, superior: Superior | None = None) -> None:
    quiet()
    try:
        CLI(arguments, superior)
    except Exception as error:
        if (mistake := _mistake(error)) is None:
            raise
        raise mistake from None
