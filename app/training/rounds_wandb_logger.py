"""W&B over the rounds of an experiment: one run whose steps count on from round to round."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.utilities import rank_zero_only
from typing_extensions import override

from app.common.errors import UserError
from app.common.lightning_internals import OpenWandbLogger

if TYPE_CHECKING:
    from wandb import Run
    from wandb.sdk.lib import RunDisabled

GLOBAL_STEP = "trainer/global_step"
ROUND_DENSITY = "round/density"

# Nothing on the terminal, where a progress bar is drawn, and nothing that is slow to find out: report.json names the
# versions, and a sampler of system metrics would take its share of the very cores that train.
_QUIET: dict[str, Any] = {
    "silent": True,
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}


@contextmanager
def _no_telemetry() -> Iterator[None]:
    """Start W&B without its reports on how it is used, unless the user's environment says otherwise.

    It would do so offline as well, and hold up the end of a process that has no network.
    """
    found = "WANDB_ERROR_REPORTING" in os.environ
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    try:
        yield
    finally:
        if not found:
            del os.environ["WANDB_ERROR_REPORTING"]


@dataclass(frozen=True, slots=True)
class _Round:
    round: int
    density: float
    offset: int


class RoundsWandbLogger(OpenWandbLogger):
    """A `WandbLogger` that keeps one W&B run open over many trainings, with steps that never go back.

    Without `begin_run` and `begin_round` it is a plain logger for one training. W&B starts with the first value that
    is logged; `WANDB_MODE`, where it is set, has the last word on whether it is online, offline or disabled, and the
    environment is left as it was found. W&B prints nothing and collects no system metrics. Only rank zero does
    anything at all.

    Args:
        project: name of the W&B project.
        offline: write to files below `save_dir` only, for `wandb sync` to upload later; needs no account.
        entity: the user or team that the project belongs to; W&B's default where there is none.
        tags: tags of every run.
        save_dir: directory in which W&B makes its directory `wandb`; by default the run directory, or the working
            directory where there is none.
    """

    def __init__(
        self,
        project: str = "trees-and-tickets",
        offline: bool = True,
        entity: str | None = None,
        tags: list[str] | None = None,
        save_dir: str | None = None,
    ) -> None:
        super().__init__(project=project, offline=offline, entity=entity, tags=tags, save_dir=save_dir or ".")
        self._directory = save_dir
        self._round: _Round | None = None
        self._last_step = 0
        self._exit_code = 0
        self._hooks: tuple[Any, Any] | None = None  # the interpreter's, while W&B's are in their place

    @override
    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_hooks": None}

    @property
    @override
    def experiment(self) -> "Run | RunDisabled":
        """The W&B run, started on first use.

        Raises:
            UserError: W&B refuses to start it, for want of an account for instance.
        """
        if rank_zero_only.rank > 0:  # type: ignore[attr-defined]
            return super().experiment  # type: ignore[no-any-return]  # on which every method does nothing
        if self.open_run is None:
            self.open_run = self._start()
        return self.open_run

    def begin_run(self, *, run_id: str, name: str, group: str, save_dir: Path, config: dict[str, Any]) -> None:
        """Name the W&B run that the following rounds belong to; any other that is open is finished first.

        Args:
            run_id: always the same for the same (experiment, replicate, method, branch), so that a process that takes
                up a killed one's work goes on with its run; offline, in a second directory of the same id.
            name: what W&B displays.
            group: what W&B groups runs by, the experiment.
            save_dir: directory in which W&B makes its directory `wandb`, unless the logger was made with one.
            config: the run's configuration as W&B shows it; plain values and dictionaries, without "." in keys.
        """
        if self.open_run is not None and run_id == self.run_id:
            return
        self._close()
        self._round = None
        self.describe_run(
            run_id=run_id, name=name, directory=self._directory or str(save_dir), group=group, config=config
        )

    def begin_round(self, *, round: int, density: float, offset: int) -> None:
        """Log what follows as belonging to a round.

        Args:
            round: which round, from 0.
            density: its share of weights remaining, in (0, 1].
            offset: iterations of all rounds of this run before it; added to every step.
        """
        self._round, self._last_step = _Round(round, density, offset), offset

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log values against the step and, in a round, with `round`, `density` and `iteration` beside them.

        Args:
            metrics: name to value.
            step: iterations of this training so far; as before where it is left out.
        """
        if self._round is None:
            super().log_metrics(metrics, step)
            return
        if step is not None:
            self._last_step = self._round.offset + step
        iteration = self._last_step - self._round.offset
        self._log({**metrics, "round": self._round.round, "density": self._round.density, "iteration": iteration})

    @rank_zero_only
    def end_round(self, summary: Mapping[str, float]) -> None:
        """Log what came of the round, as `round/NAME`, which W&B draws against `round/density`.

        Args:
            summary: name to value, such as `early_stop_iteration`.

        Raises:
            RuntimeError: no round was begun.
        """
        if self._round is None:
            raise RuntimeError("end_round without begin_round")
        row = {"round/round": float(self._round.round), **{f"round/{name}": value for name, value in summary.items()}}
        for name in row:
            # Each by its full name: W&B leaves open which of two patterns wins, and "*" is defined as well.
            self.experiment.define_metric(name, step_metric=ROUND_DENSITY)
        self._log({**row, ROUND_DENSITY: self._round.density})

    @override
    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Note how a training ended; the run stays open for the next."""
        super().finalize(status)
        self._exit_code = 0 if status == "success" else 1

    def finish(self) -> None:
        """End the W&B run, if one was started, and W&B's background process with it."""
        self._close()
        if self._hooks is not None:
            import wandb

            wandb.teardown()
            (sys.exit, sys.excepthook), self._hooks = self._hooks, None

    def _start(self) -> "Run":
        with _no_telemetry():
            import wandb

        mode = os.environ.get("WANDB_MODE") or ("offline" if self.is_offline else None)
        directory = None if mode == "disabled" else self.save_dir  # W&B would make it, and leave it empty
        options = {**self.init_options, "dir": directory, "mode": mode, "reinit": "finish_previous"}
        self._hooks = self._hooks or (sys.exit, sys.excepthook)
        try:
            with _no_telemetry():
                run = wandb.init(**options, settings=_QUIET)
        except (wandb.Error, ValueError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"W&B does not start ({reason}); log in, or set WANDB_MODE=offline or disabled") from None
        run.define_metric(GLOBAL_STEP)
        run.define_metric("*", step_metric=GLOBAL_STEP, step_sync=True)
        run.define_metric(ROUND_DENSITY)
        return run

    def _log(self, row: dict[str, float]) -> None:
        run = self.experiment
        # W&B's own step follows too: offline it would restart at 0 in a second directory of the same id, and upload
        # one directory over the other.
        run.log({**row, GLOBAL_STEP: self._last_step}, step=max(self._last_step, run.step), commit=True)

    def _close(self) -> None:
        if self.open_run is not None:
            self.open_run.finish(exit_code=self._exit_code)
            self.open_run, self._exit_code = None, 0
