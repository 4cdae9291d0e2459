"""What the subcommands that need a model do with the model, the data and the Trainer of a command line."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger

from app.cli.context import Context
from app.cli.late_layers import LateWeights, lacks_layers, makes_layers_later
from app.cli.lottery_on_test_set import lottery_on_test_set
from app.cli.lottery_trainer import LotteryTrainer
from app.cli.parser import LIGHTNINGS_OWN_PATHS, ParsedCLI
from app.cli.run_trainers import RunTrainers
from app.cli.trained_model import check_model
from app.common.errors import UserError
from app.common.lightning_internals import requeue_signal, starts_by_spawning
from app.common.loading import LOGGING, said_meanwhile
from app.common.ranks import is_first
from app.runs.checkpoints import check_start, check_weights, description, load_weights, read_checkpoint
from app.runs.layout import RunLayout
from app.training.first_rank import FirstRank
from app.training.fit import Fit
from app.training.library_errors import library_errors_named
from app.training.measured_runs import log_measured_networks
from app.training.pruning_callback import tell_of_pruning
from app.training.trained_run import trained_run


class CLI(ParsedCLI):
    """The command line with all its subcommands; arguments as for `ParsedCLI`."""

    def before_lottery(self) -> None:
        """Hand the Trainer the settings that it cannot know."""
        self._give_context()

    def before_parse(self) -> None:
        """Hand the Trainer the settings that it cannot know."""
        self._give_context()
        self._check_model()

    before_syntax = before_surprisal = before_generate = before_states = before_parse

    def _give_context(self) -> None:
        assert isinstance(self.trainer, LotteryTrainer)
        self.trainer.context = self._context()

    def validate(self, **arguments: Any) -> None:
        """Measure a trained network on the validation set."""
        found = self._with_weights(arguments)
        self.trainer.validate(**found)
        self._log_measured(found["ckpt_path"])

    def test(self, **arguments: Any) -> None:
        """Measure a trained network, or every network of a lottery, on the test set."""
        if self._lottery is None:
            found = self._with_weights(arguments)
            self.trainer.test(**found)
            self._log_measured(found["ckpt_path"])
            return
        self._check_model()
        config = self.plain_config()
        networks = lottery_on_test_set(
            self.trainer, self._lottery, config, lambda path: self._with_weights(arguments | {"ckpt_path": path})
        )
        if self._logs_to_training and is_first() and not self.value("trainer").fast_dev_run:
            with said_meanwhile(LOGGING):
                log_measured_networks(networks)

    def predict(self, **arguments: Any) -> None:
        """Run a trained network on the data to predict."""
        self.trainer.predict(**self._with_weights(arguments))

    def _log_measured(self, weights: Path | str | None) -> None:
        """Log what was measured to the W&B run of the training that the weights are from."""
        weights = self.value("ckpt_path") if weights is None else weights
        if not self._logs_to_training or weights is None or not is_first() or self.value("trainer").fast_dev_run:
            return
        with said_meanwhile(LOGGING), trained_run(Path(weights)) as run:
            if run is not None:
                run.log(
                    str(self.subcommand), {name: float(value) for name, value in self.trainer.logged_metrics.items()}
                )

    def _with_weights(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Take the best checkpoint of the experiment where none is named, and make sure that it fits."""
        if self.value("experiment") is not None:
            arguments["ckpt_path"] = self._context().checkpoint(arguments.get("ckpt_path"))
        path = arguments.get("ckpt_path")
        if path is None or path in LIGHTNINGS_OWN_PATHS:
            if self.value("trainer").fast_dev_run:  # measures nothing
                return arguments | {"ckpt_path": None}
            given = "" if path is None else f"--ckpt_path {path} is of a run directory, and none is named; "
            raise UserError(
                f"{given}{self.subcommand} needs a trained network: give its run directory, as in {self.subcommand} "
                "runs/mine/seed_0, or its checkpoint with --ckpt_path"
            )
        self._check_model()
        if Path(path).suffix == ".safetensors":
            if makes_layers_later(self.model):
                self.trainer.callbacks.append(LateWeights(Path(path)))  # type: ignore[attr-defined]
            else:
                load_weights(self.model, Path(path))
            return arguments | {"ckpt_path": None}
        if not lacks_layers(self.model, Path(path)):
            check_weights(self.model, Path(path))
        return arguments

    def _check_model(self) -> None:
        """Refuse a command line that contradicts the checkpoint.

        Raises:
            UserError: an argument of the model differs.
        """
        if self._lottery is not None:
            assert self._trained is not None
            check_model(self.plain_config()["model"], self._lottery.config, self._trained.options.get("model", {}))
            return
        path = self.value("ckpt_path")
        if self.value("experiment") is not None and path in (None, "best", "last"):
            path = self._context().checkpoint(path)
        if path is None or path in LIGHTNINGS_OWN_PATHS:
            return
        weights = Path(path)
        if weights.suffix == ".safetensors":
            stored = self._trained.options.get("model", {}) if self._trained is not None else {}
        else:
            stored = description(read_checkpoint(weights)).get("model", {})
        check_model(self.plain_config()["model"], weights, stored)

    def fit(self, model: LightningModule, **arguments: Any) -> None:
        """Train one network; with an experiment's name in a run directory, which the same command goes on with."""
        start = arguments.get("ckpt_path")
        if start is not None and start not in LIGHTNINGS_OWN_PATHS:
            check_start(model, Path(start))
        elif start is not None and self._writes_a_run():
            raise UserError(f"--ckpt_path {start}: a training goes on in its run directory by itself; leave it out")
        tell_of_pruning(self.trainer.callbacks)  # type: ignore[attr-defined]
        if not self._writes_a_run() or self.value("trainer").fast_dev_run:
            with library_errors_named():
                self.trainer.fit(model, **arguments)
            return
        if starts_by_spawning(self.trainer):
            raise UserError(
                "trainer.strategy trains in processes that end with the training, which a run directory does not work "
                "with; use one device or strategy ddp"
            )
        context = self._context()
        Fit(
            model=model,
            data=arguments["datamodule"],
            layout=context.fit_layout,
            seed=context.seed,
            threads=context.threads,
            config=context.config,
            device=self.trainer.strategy.root_device,
            precision=str(self.trainer.precision),
            world_size=self.trainer.world_size,
            first=FirstRank(self.trainer),
            make_trainer=self.fresh_trainer,
            make_loggers=context.make_loggers,
            checkpoint_seconds=context.checkpoint_seconds,
            start=start,
            requeue_on=requeue_signal(self.trainer),
        ).run()

    def _context(self) -> Context:
        return Context(
            seed=self.value("seed_everything"),
            threads=self.value("threads"),
            experiment=self.value("experiment"),
            runs=Path(self.value("runs")),
            checkpoint_seconds=self.value("checkpoint_seconds"),
            # Whoever reads it later is to respect locks.
            config={name: value for name, value in self.plain_config().items() if name != "break_locks"},
            make_trainer=self.network_trainer,
            make_loggers=self._trainers.loggers,
            parent=self._parent,
            study=self._study,
            lottery=self._lottery,
            logs_to_training=self._logs_to_training,
        )

    @property
    def _lottery(self) -> RunLayout | None:
        """The lottery all of whose networks are to be measured, if any."""
        return self._trained.lottery if self._trained is not None else None

    def network_trainer(self, root: Path, callbacks: list[Callback], logger: list[Logger], **arguments: Any) -> Trainer:
        """A Trainer for one network of a lottery; arguments as for `fresh_trainer`."""
        return self._trainers.of_lottery(root, callbacks, logger, **arguments)

    def fresh_trainer(self, root: Path, callbacks: list[Callback], logger: list[Logger], **arguments: Any) -> Trainer:
        """A Trainer for one training, from the parsed configuration; arguments as for `RunTrainers`."""
        return self._trainers(root, callbacks, logger, **arguments)

    @property
    def _trainers(self) -> RunTrainers:
        return RunTrainers(self.value("trainer"))
