"""The private parts of Lightning that this code relies on; no other file uses any.

Every function and class here has a test in tests/common/test_lightning_internals.py, which fails when a new version of
Lightning changes that part. Only this file and `ranks` import Lightning in this room.
"""

import inspect
import signal
import subprocess
from collections.abc import Collection, Mapping
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.utilities.types import _Stateful
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import (
    EarlyStopping,
    ModelCheckpoint,
    RichProgressBar,
    StochasticWeightAveraging,
    WeightAveraging,
)
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.loops.utilities import _reset_progress
from lightning.pytorch.strategies import ParallelStrategy
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from lightning.pytorch.trainer.connectors.checkpoint_connector import _CheckpointConnector
from lightning.pytorch.trainer.connectors.signal_connector import _SignalConnector
from lightning.pytorch.utilities.combined_loader import CombinedLoader
from typing_extensions import override

if TYPE_CHECKING:
    from wandb import Run
    from wandb.sdk.lib import RunDisabled


def reset_loops(trainer: Trainer) -> None:
    """Set the counts of epochs and batches to 0, so that a second `fit` of the same Trainer trains.

    What a checkpoint has left in the loops is forgotten too: an exception may have ended a training that resumed.
    """
    _reset_progress(trainer.fit_loop)
    trainer.fit_loop.epoch_loop._batches_that_stepped = 0
    trainer.fit_loop.restarting = False
    for loop in (trainer.fit_loop, trainer.fit_loop.epoch_loop):
        loop._loaded_from_state_dict = loop._resuming_from_checkpoint = False
        loop.reset_restart_stage()
    trainer.fit_loop._combined_loader_states_to_load = []


def reset_early_stopping(callback: EarlyStopping) -> None:
    """Reset the best score and the number of validations without improvement."""
    best = torch.full_like(callback.best_score, -torch.inf if callback.monitor_op is torch.gt else torch.inf)
    callback.load_state_dict({"wait_count": 0, "stopped_epoch": 0, "best_score": best, "patience": callback.patience})


def reset_model_checkpoint(callback: ModelCheckpoint) -> None:
    """Forget what was saved, so that the next fit saves its own best and last checkpoints; the files stay."""
    callback.best_k_models, callback.best_model_score, callback.current_score = {}, None, None
    callback.best_model_path = callback.kth_best_model_path = callback.last_model_path = ""
    callback.kth_value = torch.tensor(torch.inf if callback.mode == "min" else -torch.inf)
    callback._last_global_step_saved, callback._last_checkpoint_saved = 0, ""
    callback._defer_save_until_validation = False


def reset_averaging(callback: WeightAveraging | StochasticWeightAveraging) -> None:
    """Forget the averages of the last fit; otherwise Lightning updates none, and ends the fit with those."""
    if isinstance(callback, WeightAveraging):
        callback._latest_update_step, callback._latest_update_epoch = 0, -1
        return
    callback.n_averaged, callback._init_n_averaged, callback._latest_update_epoch = None, 0, -1
    callback._initialized, callback._swa_scheduler, callback._scheduler_state = False, None, None


def end_averaging(callback: StochasticWeightAveraging, trainer: Trainer) -> None:
    """Take back what an averaging that did not come to its end has changed in its Trainer and in batch norms.

    Lightning does so at the end of the additional epoch only, which an exception or an early stop leaves out.
    """
    callback.reset_momenta()
    trainer.fit_loop._skip_backward = False
    epochs = getattr(callback, "_max_epochs", None)  # set when a fit begins, before the epoch is added
    if callback._model_contains_batch_norm and epochs is not None and trainer.fit_loop.max_epochs == epochs + 1:
        trainer.fit_loop.max_epochs = epochs
    accumulated = vars(callback).pop("_accumulate_grad_batches", None)  # of the Trainer, before that epoch
    if accumulated is not None:
        trainer.accumulate_grad_batches = accumulated


def average_from(callback: WeightAveraging, module: LightningModule) -> None:
    """Let the average be the weights of a module until its first update: it was made before these were there."""
    average = callback._average_model
    if average is not None:
        average.module.load_state_dict(module.state_dict())


def is_resuming(trainer: Trainer) -> bool:
    """Whether a fit goes on from a checkpoint; known from `on_fit_start` on.

    The finders of learning rates and batch sizes leave the path of their own checkpoint, of the very start.
    """
    name = Path(trainer.ckpt_path or "").name
    return bool(name) and not name.startswith((".lr_find_", ".scale_batch_size_"))


def follow_directory(callback: ModelCheckpoint, state: dict[str, Any]) -> None:
    """Change the paths in a saved state of a callback whose directory was moved or renamed since, files included.

    Lightning would forget the best score, and take the next validation for the best.

    Args:
        callback: as it is in this training; it knows its directory.
        state: as a checkpoint has it; changed in place if the best file lies in the new directory.
    """
    before, now = state.get("dirpath"), callback.dirpath
    if before is None or now is None or before == now:
        return

    def moved(path: str) -> str:
        return str(Path(now) / Path(path).relative_to(before)) if path and Path(path).is_relative_to(before) else path

    best = moved(state["best_model_path"])
    if best != state["best_model_path"] and Path(best).exists():
        state["dirpath"], state["best_model_path"] = now, best
        state["best_k_models"] = {moved(path): score for path, score in state["best_k_models"].items()}
        for name in ("kth_best_model_path", "last_model_path"):
            state[name] = moved(state[name])


def save_over(callback: ModelCheckpoint) -> None:
    """Let the callback replace a file of the same name, where it would otherwise add a version to the name."""
    callback._enable_version_counter = False


def is_accumulating(trainer: Trainer) -> bool:
    """Whether the gradients of this batch are still being accumulated; checkpoints do not hold them."""
    return bool(trainer.fit_loop.epoch_loop._should_accumulate())


def validation_follows(trainer: Trainer) -> bool:
    """Whether Lightning validates right after this batch."""
    fit_loop = trainer.fit_loop
    assert fit_loop._data_fetcher is not None
    return bool(fit_loop.epoch_loop._should_check_val_fx(fit_loop._data_fetcher))


def is_last_batch(trainer: Trainer) -> bool:
    """Whether this batch is the last of its epoch."""
    return trainer.fit_loop.epoch_loop.batch_progress.is_last_batch


def train_loaders(trainer: Trainer) -> list[Any]:
    """The training loaders; an empty list before the training has begun."""
    combined = trainer.fit_loop._combined_loader
    return list(combined.flattened) if combined is not None else []


def is_stateful_loader(loader: Any) -> bool:
    """Whether Lightning saves and restores the position of this loader, or of every loader of a collection."""
    return all(isinstance(each, _Stateful) for each in CombinedLoader(loader, "max_size_cycle").flattened)


def finish_epoch_of_checkpoint(trainer: Trainer) -> bool:
    """Begin a new epoch if the checkpoint was made at the last batch of one.

    Lightning has counted this epoch but would restart inside it.

    Returns:
        Whether the new epoch is the first thing that Lightning runs. It then takes its batches from the iterator that
        Lightning has made of the loader already; otherwise Lightning makes another at the beginning of an epoch.
    """
    epochs, epoch_loop = trainer.fit_loop.epoch_progress.current, trainer.fit_loop.epoch_loop
    if epochs.ready != getattr(epochs, "processed", None):
        return False
    trainer.fit_loop.reset_restart_stage()
    if not epoch_loop.restarted_on_train_batch_end:
        return False
    # Count batches from 0 again; Lightning does so itself only if the loader has a length.
    epoch_loop.batch_progress.increment_completed()
    epoch_loop.batch_progress.reset_on_run()
    epoch_loop.scheduler_progress.reset_on_run()
    epoch_loop.automatic_optimization.optim_progress.reset_on_run()
    epoch_loop.val_loop.batch_progress.total.reset()
    epoch_loop.reset_restart_stage()
    return True


def epochs_begun(checkpoint: Mapping[str, Any]) -> int:
    """How many epochs a checkpoint's training has begun; Lightning's own "epoch" leaves one out at the end of one."""
    return int(checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["ready"])


class _NoSignals(_SignalConnector):
    @override
    def register_signal_handlers(self) -> None:
        self.received_sigterm = False


class _NamedCheckpoint(_CheckpointConnector):
    @override
    def _parse_ckpt_path(self, state_fn: Any, ckpt_path: Any, model_provided: bool, model_connected: bool) -> Any:
        if ckpt_path is None:
            return None
        return super()._parse_ckpt_path(state_fn, ckpt_path, model_provided, model_connected)


def leave_to_us(trainer: Trainer) -> None:
    """Let the Trainer neither handle signals nor look for checkpoints that nobody named.

    Under SLURM, Lightning would save in the midst of an iteration when the time is over, into a file of its own that it
    never deletes, and begin with this file rather than at the beginning. `OnExceptionCheckpoint` does likewise.
    """
    trainer._signal_connector = _NoSignals(trainer)
    trainer._checkpoint_connector = _NamedCheckpoint(trainer)


def requeue_signal(trainer: Trainer) -> signal.Signals | None:
    """The signal by which SLURM announces that the time of the job is over; None if it is not to be queued again."""
    environment = trainer._accelerator_connector.cluster_environment
    if not isinstance(environment, SLURMEnvironment) or not environment.auto_requeue:
        return None
    return environment.requeue_signal


def step_plateau_schedulers(trainer: Trainer) -> None:
    """At the end of an epoch that a checkpoint resumed, step the schedulers that wait for a metric.

    Lightning omits that, because it does not save the metrics.
    """
    loop = trainer.fit_loop
    if loop.restarting and loop.epoch_loop._num_ready_batches_reached():
        loop.epoch_loop.update_lr_schedulers("epoch", update_plateau_schedulers=True)


def is_attached(module: LightningModule) -> bool:
    """Whether the module belongs to a Trainer; `module.trainer` raises an error if it does not."""
    return module._trainer is not None


def starts_by_spawning(trainer: Trainer) -> bool:
    """Whether the strategy trains in processes that it starts by spawn or fork and that end with the training."""
    return bool(getattr(trainer.strategy, "_start_method", "popen") != "popen")


def are_there(trainer: Trainer) -> bool:
    """Whether the processes that share a training have all been started, or will be whatever this one does."""
    strategy = trainer.strategy
    return not isinstance(strategy, ParallelStrategy) or (
        trainer.num_nodes > 1
        or strategy.cluster_environment is None
        or strategy.cluster_environment.creates_processes_externally
    )


def start_children(trainer: Trainer) -> "list[subprocess.Popen[bytes]]":
    """Start the other processes of this machine where nobody has, as Lightning does when a training begins.

    Lightning does not start them again, and does not watch those that it has not started.

    Returns:
        The processes; none where somebody else starts them.
    """
    launcher = trainer.strategy.launcher
    if not isinstance(launcher, _SubprocessScriptLauncher):
        return []
    launcher.cluster_environment.validate_settings(num_devices=launcher.num_processes, num_nodes=launcher.num_nodes)
    if launcher.cluster_environment.creates_processes_externally:
        return []
    launcher._call_children_scripts()
    return launcher.procs


def state_key(callback: Callback, **arguments: Any) -> str:
    """The key of a callback's state in a checkpoint, made of its class and these arguments."""
    return callback._generate_state_key(**arguments)


class CheapHooks(LightningModule):
    """A LightningModule that records the name of the current hook at less cost."""

    @override
    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning sets the name of the current hook about forty times per iteration; PyTorch's `__setattr__` would
        # check each time whether the value is a parameter, a module or a buffer.
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)


def read_counts_before_shares() -> None:
    """Let the command line read 4 as a count where an option of the Trainer is a count or a share, as Lightning says.

    Values are read as the first type that they fit. `typing` keeps one object for `Optional[Union[int, float]]` and
    `Optional[Union[float, int]]`, so that the order that Lightning has written is that of whichever library came first.
    """
    hints = inspect.unwrap(Trainer.__init__).__annotations__
    for name, hint in hints.items():
        types = get_args(hint)
        if int in types and float in types:
            hints[name] = reduce(or_, sorted(types, key=lambda each: each is not int))


class OpenCLI(LightningCLI):
    """LightningCLI with public names for the private methods that a subclass needs."""

    @override
    def _parse_ckpt_path(self) -> None:
        # Lightning's own method would silently replace options of the command line by hyper-parameters of the
        # checkpoint.
        self.check_ckpt_path()

    def check_ckpt_path(self) -> None:
        """Check the checkpoint's path in `self.config`; called before anything is instantiated."""

    @override
    def _set_seed(self) -> None:
        self.check_seed()
        super()._set_seed()

    def check_seed(self) -> None:
        """Called before the seed is set."""

    def asked(self) -> Collection[str]:
        """The subcommands whose options are needed; by default all."""
        return self.subcommands()

    @override
    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        # To find the options of the Trainer, the model and the data takes a tenth of a second for every subcommand.
        if subcommand in self.asked():
            return super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        self._subcommand_method_arguments[subcommand] = []
        return self.init_parser(**kwargs)

    def value(self, key: str) -> Any:
        """A value of the subcommand's parsed configuration; None if there is no such key."""
        return self._get(self.config, key)

    def made(self, key: str) -> Any:
        """What was made of a value of the subcommand's configuration."""
        return self._get(self.config_init, key)

    def option_names(self) -> dict[str, list[str]]:
        """The options of every subcommand, such as "--trainer.max_epochs"."""
        return {
            name: [option for action in parser._actions for option in action.option_strings if option.startswith("--")]
            for name, parser in self._subcommand_parsers.items()
        }

    def plain_config(self) -> dict[str, Any]:
        """The subcommand's whole parsed configuration as plain dictionaries, lists and values."""
        self._dump_config()
        return dict(self.config_dump)


class EpochBar(RichProgressBar):
    """Lightning's bar of a training, without an end of -2 where epochs have none, and without the logger's version."""

    @override
    def _get_train_description(self, current_epoch: int) -> str:
        if (self.trainer.max_epochs or -1) < 0:
            return f"{f'Epoch {current_epoch}':{len(self.validation_description)}}"
        return super()._get_train_description(current_epoch)

    @override
    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        return {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"}


def use_epoch_bar(trainer: Trainer) -> None:
    """Let a Trainer have an `EpochBar` where it has chosen Lightning's own bar; one of the user's stays."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    callbacks[:] = [EpochBar() if type(each) is RichProgressBar else each for each in callbacks]


def file_version(logger: CSVLogger | TensorBoardLogger) -> Any:
    """The version that names the logger's directory; None if it is to choose one."""
    return logger._version


def set_file_version(logger: CSVLogger | TensorBoardLogger, version: str) -> None:
    """Set the version that names the logger's directory; it may be a relative path."""
    logger._version = version


def set_run_name(logger: WandbLogger, name: str, group: str) -> None:
    """Set the name that W&B displays and the group of the run, unless the logger has them."""
    if logger._name is None:
        logger._name = logger._wandb_init["name"] = name
    if logger._wandb_init.get("group") is None:  # a configuration has all options of W&B's, most of them None
        logger._wandb_init["group"] = group


def set_mlflow_name(logger: MLFlowLogger, name: str) -> None:
    """Set the name of the run in MLflow, unless the logger has one."""
    if logger._run_name is None:
        logger._run_name = name


def chosen_run(logger: WandbLogger | MLFlowLogger) -> Any:
    """The identity of the run that the user has chosen for a logger that has not started; None if there is none."""
    if isinstance(logger, MLFlowLogger):
        return logger._run_id
    return logger._id if logger._experiment is None else logger._experiment.id


class OpenWandbLogger(WandbLogger):
    """WandbLogger with public names for the private attributes that a subclass needs.

    Args:
        arguments: of `WandbLogger`.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        del self._wandb_init["anonymous"]  # W&B warns about this option, even if it is None

    @override
    def __getstate__(self) -> dict[str, Any]:
        # Lightning's own method starts a run, so that copying a configuration would leave one behind.
        return {**self.__dict__, "_experiment": None}

    @property
    def open_run(self) -> "Run | RunDisabled | None":
        """The W&B run that is open, if any; never starts one."""
        return self._experiment

    @open_run.setter
    def open_run(self, run: "Run | RunDisabled | None") -> None:
        self._experiment = run

    @property
    def is_offline(self) -> bool:
        """Whether the logger was made with `offline=True`."""
        return bool(self._offline)

    @property
    def run_id(self) -> str | None:
        """The identity of the run; None until W&B chooses one."""
        return self._id

    @property
    def init_options(self) -> dict[str, Any]:
        """The arguments that Lightning would pass to `wandb.init`."""
        return dict(self._wandb_init)

    def describe_run(self, *, run_id: str, name: str, directory: str, **options: Any) -> None:
        """Set what the next run is started with.

        Args:
            run_id: its identity.
            name: its name in W&B.
            directory: where W&B makes its directory `wandb`.
            options: further arguments of `wandb.init`.
        """
        self._id, self._name, self._save_dir = run_id, name, directory
        self._wandb_init.update(id=run_id, name=name, dir=directory, **options)
