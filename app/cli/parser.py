"""From a command line to the model, the data and the Trainer: LightningCLI with options and subcommands of our own."""

import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Self

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from typing_extensions import override

import app.modules
import app.nets  # noqa: F401 - class paths of checkpoints resolve only to what is imported
import datamodules  # noqa: F401
from app.cli.lottery_trainer import LotteryTrainer
from app.cli.mistakes import constructor_errors_named
from app.cli.run_options import add_run_options
from app.cli.run_trainers import as_list
from app.cli.save_fit_config import SaveFitConfig
from app.cli.trained_model import TrainedModel
from app.cli.trainer_options import (
    check_processes,
    check_trainer,
    fit_to_any_machine,
    let_speak,
    write_defaults_of_callbacks,
)
from app.cli.vocabulary_size import set_vocabulary_size
from app.common import float32_precision, gpu_kernels
from app.common.errors import UserError
from app.common.lightning_internals import (
    OpenCLI,
    leave_to_us,
    read_counts_before_shares,
    requeue_signal,
    use_epoch_bar,
)
from app.common.ranks import is_first
from app.common.signals import no_requeue
from app.common.used_kernels import kernels, stacked_kernels
from app.lottery.experiment import Experiment
from app.lottery.workers.parent import Parent
from app.runs import lock
from app.runs.automatic_name import AUTOMATIC, automatic_name
from app.runs.checkpoints import read_checkpoint
from app.training.mixed_precision import let_fused_optimizers_clip
from app.training.requirements import check_counts
from app.training.trained_run import LOGGER
from app.training.users_callbacks import check_callbacks
from app.training.users_loggers import check_loggers

# Subcommands that only measure; Lightning runs the first three, ours look for their checkpoint themselves.
LIGHTNINGS_MEASURES = ("validate", "test", "predict")
OUR_MEASURES = ("parse", "syntax", "surprisal", "generate", "states")
MEASURES = (*LIGHTNINGS_MEASURES, *OUR_MEASURES)
SUBCOMMANDS = ("fit", *LIGHTNINGS_MEASURES, "lottery", *OUR_MEASURES)
EVERY = ("test", "parse", "syntax")  # those that also measure every network of a lottery

# Of numpy's and Lightning's seeds.
LARGEST_SEED = 2**32 - 1

# What Lightning finds a checkpoint by, where no path is given.
LIGHTNINGS_OWN_PATHS = ("best", "last", "hpc", "registry")

TRAINER_DEFAULTS: dict[str, Any] = {
    "logger": {"class_path": LOGGER},
    # A sanity check over a few batches would be recorded as a validation.
    "num_sanity_val_steps": 0,
}


class ParsedCLI(OpenCLI):
    """Any LightningModule with any LightningDataModule, by class path.

    Args:
        args: the command line; the process's own where it is left out.
        parent: the process that this one works for, if any.
        trained: the network that a command is to measure, where the command line named its run directory or checkpoint.
        study: what `lottery` does in place of training its networks, if anything.
        run: whether to run the subcommand that is asked for.
        loaded: called when everything is imported, before the command line is parsed.
    """

    def __init__(
        self,
        args: list[str] | dict[str, Any] | None = None,
        parent: Parent | None = None,
        trained: TrainedModel | None = None,
        *,
        study: Callable[[Experiment], Any] | None = None,
        run: bool = True,
        loaded: Callable[[], None] = lambda: None,
    ) -> None:
        self._parent = parent
        self._trained = trained
        self._study = study
        self._logs_to_training = False
        self._text: LightningDataModule | None = None  # where it had to be read before the model is made
        self._loaded = loaded
        self._asked = _asked(args)
        write_defaults_of_callbacks()
        read_counts_before_shares()
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
            parser_kwargs=main | {name: dict(strict) for name in SUBCOMMANDS},
            args=args,
            run=run,
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The same: jsonargparse lets the optimiser of a module refer to this, and averages are copies of modules."""
        return self

    @staticmethod
    @override
    def subcommands() -> dict[str, set[str]]:
        ours = {name: {"model", "datamodule"} for name in ("lottery", *OUR_MEASURES)}
        return {**LightningCLI.subcommands(), **ours}

    @override
    def asked(self) -> Collection[str]:
        return self._asked

    @override
    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        add_run_options(parser)
        if self._trained is not None:
            parser.set_defaults(self._trained.options)

    @override
    def parse_arguments(self, *arguments: Any) -> None:
        self._loaded()
        super().parse_arguments(*arguments)

    @override
    def check_ckpt_path(self) -> None:
        """Look at the checkpoint before anything is made; hyper-parameters come from the configuration alone."""
        path = self.config[self.config.subcommand].get("ckpt_path") if self.config.get("subcommand") else None
        if path is not None and path not in LIGHTNINGS_OWN_PATHS and not str(path).endswith(".safetensors"):
            read_checkpoint(Path(path))

    @override
    def check_seed(self) -> None:
        """Refuse a seed that no generator takes, and a random one for a training in a run directory.

        Raises:
            UserError: naming what is expected.
        """
        seed = self.value("seed_everything")
        if isinstance(seed, bool):
            if self._writes_a_run():
                raise UserError(
                    "seed_everything must be a whole number here, so that the same command means the same run"
                )
        elif seed is not None and not 0 <= seed <= LARGEST_SEED:
            raise UserError(f"seed_everything is {seed}; expected a whole number from 0 to {LARGEST_SEED}")

    @override
    def before_instantiate_classes(self) -> None:
        self._text = set_vocabulary_size(self.value("model"), self.value("data"))
        if self.value("experiment") == AUTOMATIC:
            self.config[self.subcommand].experiment = automatic_name(self.plain_config())
        torch.set_num_threads(self.value("threads"))
        float32_precision.choose(self.value("matmul_precision"), self.value("conv_precision"))
        gpu_kernels.choose(self.value("gpu_kernels"))
        lock.choose(breaking=self.value("break_locks"))
        trainer = self.value("trainer")
        if self.subcommand == "lottery" and self.value("pruning").launch is not None:
            self.plain_config()  # of the jobs; it is made once, and stays as it is
            fit_to_any_machine(trainer)
        if self.subcommand in ("fit", "lottery"):
            check_counts(vars(trainer))
        check_trainer(vars(trainer), in_run=self._writes_a_run())
        if self.subcommand in MEASURES and getattr(trainer.logger, "class_path", None) == LOGGER:
            # What they measure belongs to the run of the training; another logger may be named.
            trainer.logger, self._logs_to_training = False, True

    @override
    def instantiate_classes(self) -> None:
        with constructor_errors_named("model or data"):
            super().instantiate_classes()
        if self._text is not None:
            self.datamodule = self._text
        if self.config.get("subcommand"):
            check_processes(self.trainer)
            if self._parent is None and is_first():
                chosen = self.value("matmul_precision"), self.value("conv_precision")
                device = self.trainer.strategy.root_device
                compiled = () if chosen[0] == "highest" else self._compiled_parts(device)
                float32_precision.warn_without_effect(*chosen, device, compiled)

    def _compiled_parts(self, device: torch.device) -> list[str]:
        """What compiled code computes of the model."""
        at_once = self.subcommand == "lottery" and self.value("pruning").stack > 1
        found = (stacked_kernels if at_once else kernels)(self.model, device, str(self.trainer.precision))
        return [name for name, by in found.items() if by.startswith("compiled ")]

    @override
    def instantiate_trainer(self, **arguments: Any) -> Trainer:
        callbacks = as_list(self.made("trainer")["callbacks"])
        let_speak(self.made("trainer"), callbacks)
        if self._writes_a_run():
            workers = self.value("pruning").workers if self.subcommand == "lottery" else 1
            check_callbacks(callbacks, lottery=self.subcommand == "lottery", workers=workers)
            if self.subcommand == "lottery":
                check_loggers(as_list(self.made("trainer")["logger"]))
        with constructor_errors_named("trainer"):
            trainer = super().instantiate_trainer(**arguments)
        if self.subcommand != "fit" or self._writes_a_run():
            leave_to_us(trainer)
            if requeue_signal(trainer) is None:
                no_requeue()
        else:  # the checkpoints of a training without a run directory are Lightning's own, and so are its jobs
            no_requeue()
            if all(type(each) is not RichProgressBar for each in callbacks):
                use_epoch_bar(trainer)
        return let_fused_optimizers_clip(trainer)

    def _writes_a_run(self) -> bool:
        return self.subcommand in ("fit", "lottery") and self.value("experiment") is not None


def _asked(args: list[str] | dict[str, Any] | None) -> Collection[str]:
    """The subcommand that a command line begins with; all of them where it does not begin with one."""
    first = (
        args.get("subcommand") if isinstance(args, dict) else next(iter(sys.argv[1:] if args is None else args), None)
    )
    return [first] if first in SUBCOMMANDS else SUBCOMMANDS
