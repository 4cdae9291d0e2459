"""W&B over the rounds of an experiment: one run whose steps count on from round to round."""

import math
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from lightning.pytorch.loggers.logger import DummyLogger
from lightning.pytorch.utilities import rank_zero_only
from typing_extensions import override

from app.common.lightning_internals import OpenWandbLogger
from app.common.metrics import Schema
from app.common.printing import one_line
from app.training.wandb_files import (
    GLOBAL_STEP,
    HeldArtifact,
    held_artifacts,
    last_step,
    mend,
    wait_for_a_new_name,
    wait_for_writers,
)
from app.training.wandb_history import ROUND_DENSITY, SUMMARY, BestValues, LoggedTraining
from app.training.wandb_process import WandbProcess

if TYPE_CHECKING:
    from wandb import Run
    from wandb.sdk.lib import RunDisabled

    from app.training.wandb_artifacts import RunArtifact

LONGEST = 200  # characters of a reason; W&B may list whole tables

P = ParamSpec("P")


def _or_without(
    method: "Callable[Concatenate[RoundsWandbLogger, P], None]",
) -> "Callable[Concatenate[RoundsWandbLogger, P], None]":
    """Let a method of the logger do nothing on other ranks, and after W&B has failed; its failure is one line."""

    @wraps(method)
    @rank_zero_only
    def guarded(self: "RoundsWandbLogger", /, *arguments: P.args, **options: P.kwargs) -> None:
        if self.has_failed:
            return
        try:
            method(self, *arguments, **options)
        except Exception as error:
            if not self.has_failed:
                self.give_up(error)

    return guarded


class RoundsWandbLogger(OpenWandbLogger):
    """A `WandbLogger` that keeps one W&B run open over many trainings, with steps that never go back.

    Without `begin_run` it is a plain logger for one training. W&B starts with the first value that is logged;
    `WANDB_MODE`, where it is set, has the last word on whether it is online, offline or disabled, and the environment
    is left as it was found. W&B prints nothing. Only rank zero does anything at all.

    A failure of W&B's ends no training: a warning says so, and nothing more is logged by this process. The next one
    that begins the run logs what is missing there from the metrics.csv of its trainings.

    Args:
        project: name of the W&B project.
        offline: write to files below `save_dir` only, for `wandb sync` to upload later; needs no account.
        entity: the user or team that the project belongs to; W&B's default where there is none.
        tags: tags of every run, besides those that say what was trained.
        save_dir: directory in which W&B makes its directory `wandb`; by default the run directory, or the working
            directory where there is none.
        notes: of every run; what a method does where they are left out.
        system_metrics: log the load of processor, memory and GPU too, by a process that takes its share of the cores.
        artifacts: log tickets and trained models as artifacts.
    """

    def __init__(
        self,
        project: str = "trees-and-tickets",
        offline: bool = True,
        entity: str | None = None,
        tags: list[str] | None = None,
        save_dir: str | None = None,
        notes: str | None = None,
        system_metrics: bool = False,
        artifacts: bool = False,
    ) -> None:
        super().__init__(project=project, offline=offline, entity=entity, tags=tags, save_dir=save_dir or ".")
        self._directory, self._notes, self._tags = save_dir, notes, tags or []
        self._system_metrics = system_metrics
        self.artifacts = artifacts
        self.has_failed = False
        self._past: Callable[[], Sequence[LoggedTraining]] = tuple
        self._alone = False
        self._best = BestValues()
        self._training: LoggedTraining | None = None
        self._has_rows_before = False  # whether what the training has measured in other processes is logged
        self._last_step = 0
        self._there = self._logged = -1  # the last steps that the run had before this process, and has now
        self._artifacts: list[HeldArtifact] = []  # those that the run has
        self._exit_code = 0
        self._process = WandbProcess()

    @override
    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_process": WandbProcess()}

    @property
    @override
    def experiment(self) -> "Run | RunDisabled":
        """The W&B run, started on first use; after W&B has failed, one on which every method does nothing."""
        if rank_zero_only.rank > 0:  # type: ignore[attr-defined]
            return super().experiment  # type: ignore[no-any-return]
        if self.open_run is None and not self.has_failed:
            try:
                self._start()
            except Exception as error:
                self.give_up(error, "log in, or set WANDB_MODE=offline or disabled; ")
        return DummyLogger().experiment if self.open_run is None else self.open_run  # type: ignore[return-value]

    @property
    def is_recording(self) -> bool:
        """Whether a run is open that keeps what is logged."""
        return self.open_run is not None and not self.open_run.disabled

    def begin_run(
        self,
        *,
        run_id: str,
        name: str,
        group: str,
        save_dir: Path,
        config: dict[str, Any],
        job_type: str | None = None,
        notes: str | None = None,
        tags: Sequence[str] = (),
        schema: Schema | None = None,
        past: Callable[[], Sequence[LoggedTraining]] = tuple,
        alone: bool = True,
    ) -> None:
        """Name the W&B run that the following trainings belong to; any other that is open is finished first.

        Args:
            run_id: always the same for the same (experiment, replicate, method, branch), so that a process that takes
                up a killed one's work goes on with its run; offline, in a second directory of the same id.
            name: what W&B displays.
            group: what W&B groups runs by, the experiment.
            save_dir: directory in which W&B makes its directory `wandb`, unless the logger was made with one.
            config: the run's configuration as W&B shows it; plain values and dictionaries, without "." in keys.
            job_type: what W&B calls the kind of run, the method.
            notes: unless the logger was made with some.
            tags: besides those that the logger was made with.
            schema: of its metrics, whose best values its summary has.
            past: the trainings of the run that are finished, of which what the run does not hold is logged.
            alone: whether no other process may be logging to it, so that the files of killed ones are mended.
        """
        if self.open_run is not None and run_id == self.run_id:
            return
        self._close()
        self._training, self._past, self._alone = None, past, alone
        self._best = BestValues(Schema() if schema is None else schema)
        self.describe_run(
            run_id=run_id,
            name=name,
            directory=self._directory or str(save_dir),
            group=group,
            config=config,
            job_type=job_type,
            notes=self._notes or notes,
            tags=list(dict.fromkeys([*self._tags, *tags])) or None,
        )

    def begin_training(self, training: LoggedTraining) -> None:
        """Log what follows as belonging to a training of the run.

        Args:
            training: its rows that other processes have measured are logged first, where the run does not have them.
        """
        self._training, self._last_step, self._has_rows_before = training, training.offset, False

    @override
    @_or_without
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log values against the step and, in a round, with `round`, `density` and `iteration` beside them.

        Args:
            metrics: name to value.
            step: iterations of this training so far; as before where it is left out.
        """
        if (training := self._training) is None:
            super().log_metrics(metrics, step)
            return
        if step is not None:
            self._last_step = training.offset + step
            if not self._has_rows_before:
                self._has_rows_before = True
                self._log_rows(training, before=step)
        self._log(training.row(metrics, self._last_step), self._last_step)

    @override
    @_or_without
    def log_hyperparams(self, params: Any) -> None:
        super().log_hyperparams(params)

    @override
    @_or_without
    def log_table(
        self, key: str, columns: Any = None, data: Any = None, dataframe: Any = None, step: Any = None
    ) -> None:
        """Log a table, as `WandbLogger` does; the path of a picture in a cell becomes the picture."""
        if data is None:
            super().log_table(key, columns, data, dataframe, step)
            return
        import wandb

        cells = [[wandb.Image(str(cell)) if isinstance(cell, Path) else cell for cell in row] for row in data]
        table = wandb.Table(columns=columns, data=cells, allow_mixed_types=True)
        if step is None:
            self._run().log({key: table})
        else:
            self.log_metrics({key: table}, step)

    @_or_without
    def log_curves(self, key: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Log a chart of several curves.

        Args:
            key: its name.
            title: of the chart.
            columns: what tells the curves apart, the abscissa and the ordinate.
            rows: points, with these columns.
        """
        import wandb

        name, x, y = columns
        table = wandb.Table(columns=list(columns), data=[list(row) for row in rows])
        self._run().log({key: wandb.plot.line(table, x, y, stroke=name, title=title)})

    @_or_without
    def log_beside(self, values: Mapping[str, Any]) -> None:
        """Log what was measured of the trained network, at no iteration, in the history and the summary."""
        self._run().log(dict(values))

    @_or_without
    def log_artifacts(self, wanted: "Iterable[RunArtifact]") -> None:
        """Log those artifacts that the run does not hold yet.

        Args:
            wanted: what it is to hold.
        """
        run = self._run()
        for each in wanted:
            if self._holds(each):
                continue
            for name in each.parents if not getattr(run, "offline", True) else ():
                with suppress(ValueError):  # it was not logged: its lineage is in the metadata all the same
                    run.use_artifact(name)
            run.log_artifact(each.make(), aliases=each.aliases)
            self._artifacts.append(HeldArtifact(name=each.name, metadata=each.known_by))

    def _holds(self, wanted: "RunArtifact") -> bool:
        """Whether the run has an artifact: offline in its files, online at the server, and by this process in both."""
        if any(wanted.is_version(each.name, each.metadata) for each in self._artifacts):
            return True
        run = self._run()
        if run.offline or run.disabled:
            return False
        import wandb

        with suppress(Exception):  # W&B has none of this name, or does not answer: then it is logged
            found = wandb.Api().artifact(f"{run.entity}/{run.project}/{wanted.name}:{wanted.alias}")
            return wanted.is_version(wanted.name, found.metadata)
        return False

    def end_training(self, summary: Mapping[str, float] | None = None) -> None:
        """Log rows of metrics.csv that nobody has logged, such as one of the end, and what came of the training.

        Args:
            summary: name to value, such as `early_stop_iteration`; logged as `round/NAME`, which W&B draws against
                `round/density`.

        Raises:
            RuntimeError: no training was begun.
        """
        if self._training is None:
            raise RuntimeError("end_training without begin_training")
        self._end_training(self._training, summary)

    @_or_without
    def _end_training(self, training: LoggedTraining, summary: Mapping[str, float] | None) -> None:
        self._run()
        for step, values in training.rows():
            if step > self._logged:
                self._log(training.row(values, step), step)
        if summary is not None:
            self._log_summary(training, summary)

    @override
    @_or_without
    def finalize(self, status: str) -> None:
        """Note how a training ended; the run stays open for the next."""
        super().finalize(status)
        self._exit_code = 0 if status == "success" else 1

    def finish(self) -> None:
        """End the W&B run, if one was started, and W&B's background process with it."""
        self._close()
        self._process.end()

    def complete(
        self, more: Callable[[], None] | None = None, artifacts: "Callable[[], Sequence[RunArtifact]]" = tuple
    ) -> None:
        """Log what the run lacks of the trainings that are finished, if its files lack any; then end it.

        Args:
            more: logs what else is logged with the end of a training.
            artifacts: what the run is to hold of them, where artifacts are logged.
        """
        self._complete(more, artifacts)
        self.finish()

    @_or_without
    def _complete(self, more: Callable[[], None] | None, artifacts: "Callable[[], Sequence[RunArtifact]]") -> None:
        if self.run_id is None or os.environ.get("WANDB_MODE") == "disabled":
            return
        directory = Path(str(self.save_dir))
        mend(directory, self.run_id)
        if last_step(directory, self.run_id) < max(each.last_step for each in self._past()):
            self._run()
            if more is not None:
                more()
        if self.artifacts and (wanted := artifacts()):
            held = held_artifacts(directory, self.run_id)
            if not all(any(each.is_version(one.name, one.metadata) for one in held) for each in wanted):
                self.log_artifacts(wanted)

    def give_up(self, error: Exception, remedy: str = "") -> None:
        """Say that W&B has failed and what to do, and log nothing more."""
        self.has_failed, self.open_run = True, None
        reason = one_line(error)[:LONGEST] or type(error).__name__
        warnings.warn(
            f"W&B has failed ({reason}); {remedy}the training goes on without it, and the next command logs what is "
            "missing",
            stacklevel=3,
        )
        self._process.end()

    def _run(self) -> "Run":
        run = self.experiment
        if self.has_failed:
            raise RuntimeError("W&B has not started")  # which is said already
        return run  # type: ignore[return-value]

    def _start(self) -> None:
        mode = os.environ.get("WANDB_MODE") or ("offline" if self.is_offline else None)
        directory = None if mode == "disabled" else self.save_dir  # W&B would make it, and leave it empty
        if directory is not None and self.run_id is not None:
            if self._alone:
                mend(Path(directory), self.run_id)
            elif self._training is not None:
                wait_for_writers(Path(directory), self.run_id)
            self._there = last_step(Path(directory), self.run_id)
            self._artifacts = held_artifacts(Path(directory), self.run_id) if self.artifacts else []
            wait_for_a_new_name(Path(directory), self.run_id)
        options = {**self.init_options, "dir": directory, "mode": mode, "reinit": "finish_previous"}
        run = self.open_run = self._process.start(options, system_metrics=self._system_metrics)
        if not run.offline and not run.disabled:  # what did not arrive there is missing, whatever the files hold
            self._artifacts = []
            self._there = (
                int(
                    run.summary.get(GLOBAL_STEP, -1)  # type: ignore[no-untyped-call]
                )
                if run.resumed
                else -1
            )
        self._logged = self._there
        run.define_metric(GLOBAL_STEP)
        run.define_metric("*", step_metric=GLOBAL_STEP, step_sync=True)
        run.define_metric(ROUND_DENSITY)
        for training in self._past() if mode != "disabled" else ():
            self._log_rows(training)
            if training.finished is not None:
                self._log_summary(training, training.finished)

    def _log_rows(self, training: LoggedTraining, before: float = math.inf) -> None:
        _ = self._run()  # which says what is there
        for step, values in training.rows(before):
            self._log(training.row(values, step), step)

    def _log_summary(self, training: LoggedTraining, values: Mapping[str, float]) -> None:
        self._log(training.summary(values), training.end)

    def _log(self, row: Mapping[str, Any], step: int) -> None:
        """Log a row unless the run has it; its best values are those of all rows, wherever they were logged."""
        run = self._run()
        for name in row:
            # Each by its full name: W&B leaves open which of two patterns wins, and "*" is defined as well.
            if name.startswith(SUMMARY) and name != ROUND_DENSITY:
                best = "none" if self._best.has_direction(name) else None
                run.define_metric(name, step_metric=ROUND_DENSITY, summary=best)
            elif self._best.has_direction(name) and name not in self._best.values:
                run.define_metric(name, step_metric=GLOBAL_STEP, step_sync=True, summary="none")
        if step > self._there:
            run.log({**row, GLOBAL_STEP: step})
            self._logged = max(self._logged, step)
        if better := self._best.update(row):
            run.summary.update(better)

    def _close(self) -> None:
        run, self.open_run = self.open_run, None
        if run is not None:
            try:
                run.finish(exit_code=self._exit_code)
            except Exception as error:
                self.give_up(error)
        self._there = self._logged = -1
        self._artifacts = []
        self._exit_code = 0
