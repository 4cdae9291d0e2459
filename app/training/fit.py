"""One network trained by `fit`, in a run directory that the same command goes on with."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import Logger
from rich.console import Console
from typing_extensions import override

from app.common.errors import UserError
from app.common.files import remove_leftovers, write_atomically
from app.common.ranks import is_first
from app.common.seeds import derive_seed
from app.common.signals import stop_on_interrupt
from app.runs.best_validation import Best, configured_best
from app.runs.checkpoints import read_checkpoint
from app.runs.config import claim, flatten
from app.runs.history import HistoryFile, read_history
from app.runs.layout import FitLayout
from app.runs.lock import locked
from app.runs.provenance import versions
from app.training.run_loggers import begin_fit, finish
from app.training.trainer_factory import TrainerFactory
from callbacks import ExperimentProgress, MetricsRecorder, ResumeCheckpoint, StopOnNonFinite
from callbacks.trainer_state import ENDLESS

# A training may be made longer: nothing before its end depends on where that is.
LENGTHS = ("trainer.max_epochs", "trainer.max_steps")


class ValidationNotes(Callback):
    """Says what every validation found, in a line that stays.

    Args:
        progress: where lines go.
        names: the metrics to tell.
    """

    def __init__(self, progress: ExperimentProgress, names: list[str]) -> None:
        self.progress = progress
        self.names = names

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        found = trainer.callback_metrics
        told = _told({name: float(found[name]) for name in self.names if name in found})
        self.progress.note(f"epoch {trainer.current_epoch + 1} · iteration {trainer.global_step:,} · {told}")


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A training with a run directory.

    Args:
        model: what is trained; names what it logs in `metric_names`, and in `detail_names` what is only recorded.
        data: what it is trained on.
        layout: where everything is written.
        seed: of all random draws.
        threads: torch's, for the record.
        config: the whole configuration; its `best` says which validation best.ckpt is of.
        make_trainer: a fresh Trainer from the configuration.
        make_loggers: fresh loggers from the configuration.
        checkpoint_seconds: how often the training is saved.
        start: a checkpoint to begin from, where the run directory has none yet.
    """

    model: LightningModule
    data: LightningDataModule
    layout: FitLayout
    seed: int
    threads: int
    config: dict[str, Any]
    make_trainer: TrainerFactory
    make_loggers: Callable[[], list[Logger]]
    checkpoint_seconds: float
    start: Path | None = None

    def run(self) -> None:
        """Train until the configured end, from wherever the run directory stands.

        Raises:
            UserError: the run directory belongs to another configuration, the training has no length, or nothing logs
                what is to be best.
            Interrupted: asked to stop; the checkpoint is up to date.
        """
        finished = self._is_finished()
        self._reseed()
        self.data.prepare_data()
        self.data.setup("fit")
        iterations = self._iterations()
        if not is_first():
            if not finished:
                self._train(iterations)
            return
        with locked(self.layout):
            remove_leftovers(self.layout.root)
            begun = self.layout.last.exists() or self.layout.best.exists()
            claim(self.layout, self.config, free=LENGTHS, begun=begun)
            if finished:
                Console().print(self._summary(), highlight=False, soft_wrap=True)
                return
            try:
                self._train(iterations)
                finished = True
            finally:
                self._write_report(finished=finished)

    def _reseed(self) -> None:
        """Every draw of its own: what the data draws does not depend on what the network drew."""
        reseed = getattr(self.data, "reseed", None)
        if reseed is not None:
            reseed(split=derive_seed(self.seed, 0, "split"), order=derive_seed(self.seed, 0, "order"))

    def _train(self, iterations: int) -> None:
        loggers = self.make_loggers()
        begin_fit(loggers, self.layout, self.config)
        best = ModelCheckpoint(
            self.layout.root,
            filename=self.layout.best.stem,
            monitor=self._best.monitor,
            mode=self._best.mode,
            enable_version_counter=False,
            save_on_train_epoch_end=False,
        )
        with stop_on_interrupt() as stop, ExperimentProgress(iterations) as progress:
            names = list(getattr(self.model, "metric_names", (self._best.monitor,)))
            callbacks = [StopOnNonFinite(), progress, best]
            trainer = self.make_trainer(self.layout.root, callbacks, loggers, enable_checkpointing=True)
            present: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
            for callback in present:
                names += callback.metric_names(self.model) if hasattr(callback, "metric_names") else []
            self._best.check(names)
            # Behind all others, those that Lightning puts last included: what they do at a validation is to be saved.
            present += [
                MetricsRecorder(HistoryFile(self.layout.metrics, names + self._details), names + self._details),
                ValidationNotes(progress, names),
                ResumeCheckpoint(self.layout.last, every_seconds=self.checkpoint_seconds, stop=stop, keep=True),
            ]
            seed_everything(derive_seed(self.seed, 0, "training"), workers=True, verbose=False)
            progress.note(f"{self.layout.root}: {self._parameters:,} parameters, seed {self.seed}")
            progress.begin(self.layout.name, None, iterations)
            checkpoint = self.layout.last if self.layout.last.exists() else self.start
            if checkpoint == self.layout.last:
                self._check_length(read_checkpoint(checkpoint), trainer)
            try:
                trainer.fit(self.model, datamodule=self.data, ckpt_path=checkpoint)
            finally:
                finish(loggers)
            progress.end(self._summary())

    @property
    def _best(self) -> Best:
        return configured_best(self.config)

    @property
    def _details(self) -> list[str]:
        """What is recorded of every validation, but too much to tell in a line."""
        return list(getattr(self.model, "detail_names", ()))

    @property
    def _parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    def _iterations(self) -> int:
        """Length of the training; an estimate where the epochs differ in theirs."""
        arguments: Mapping[str, Any] = self.config["trainer"]
        max_epochs, max_steps = arguments["max_epochs"], arguments["max_steps"]
        ends = [max_steps] if max_steps > 0 else []
        if max_epochs is not None and max_epochs > 0:
            ends.append(max_epochs * int(getattr(self.data, "iterations_per_epoch", ENDLESS)))
        if not ends:
            raise UserError("a training has no length; set trainer.max_epochs or trainer.max_steps")
        return int(min(ends))

    def _lengths(self) -> dict[str, Any]:
        return {name: value for name, value in flatten(self.config).items() if name in LENGTHS}

    def _is_finished(self) -> bool:
        """Whether an earlier process came to the end that is asked for; some ends are decided on the way."""
        try:
            report = json.loads(self.layout.report.read_text())
        except (OSError, ValueError):
            return False
        return self.layout.last.exists() and bool(report.get("finished") == self._lengths())

    def _check_length(self, checkpoint: Mapping[str, Any], trainer: Trainer) -> None:
        for name, done, end in (
            ("trainer.max_epochs", checkpoint["epoch"], trainer.max_epochs),
            ("trainer.max_steps", checkpoint["global_step"], trainer.max_steps),
        ):
            if end is not None and 0 <= end < done:
                raise UserError(
                    f"{self.layout.root} is past {name} {end}; make it longer, or choose another --experiment"
                )

    def _write_report(self, *, finished: bool) -> None:
        found = read_history(self.layout.metrics) if self.layout.metrics.exists() else []
        told = [self._best.of(found), found[-1]] if found else []
        rows = [{name: None if math.isnan(value) else value for name, value in row.items()} for row in told]
        report = {
            "seed": self.seed,
            "versions": versions(),
            "threads": self.threads,
            "parameters": self._parameters,
            "checksums": {"data": getattr(self.data, "checksums", {})},
            "best": rows[0] if rows else None,
            "last": rows[-1] if rows else None,
            "finished": self._lengths() if finished else None,
        }
        write_atomically(self.layout.report, json.dumps(report, indent=2) + "\n")

    def _summary(self) -> str:
        rows = read_history(self.layout.metrics)
        if not rows:
            return f"{self.layout.name}: done"
        best = self._best.of(rows)
        told = {name: value for name, value in best.items() if name not in ("iteration", *self._details)}
        return f"{self.layout.name}: best at iteration {best['iteration']:,}: {_told(told)}"


def _told(metrics: Mapping[str, float]) -> str:
    return " · ".join(f"{name} {value:.5g}" for name, value in metrics.items() if not math.isnan(value))
