"""Which loggers a network of a lottery logs to.

A RoundsWandbLogger has one run per (replicate, method, branch), over all its rounds; others begin anew with each
network.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.loggers import Logger

from app.common import protocols
from app.common.metrics import Schema, headline_metrics
from app.common.ranks import is_first
from app.lottery.job import network_seeds
from app.lottery.kept_files import finished_keys
from app.lottery.network_files import read_result
from app.lottery.settings import Pruning
from app.lottery.wandb_tables import CURVES, LAYER_COLUMNS, LAYERS, curve_rows, layer_rows
from app.runs.at_work import processes
from app.runs.best_validation import configured_best
from app.runs.layout import DENSE, NetworkKey, RunLayout
from app.runs.table import EARLY_STOP, ITERATION, Result, read_metrics
from app.training.logger_runs import finish, rounds_loggers, run_id
from app.training.rounds_wandb_logger import RoundsWandbLogger
from app.training.run_facts import run_facts, run_tags
from app.training.users_loggers import name_loggers, usable
from app.training.wandb_artifacts import RunArtifact, best_of, round_alias, ticket_artifact, ticket_name
from app.training.wandb_history import LoggedTraining


@dataclass(kw_only=True)
class LotteryLoggers:
    """Makes the loggers of the configuration, and tells those that know rounds which one it is.

    Args:
        make: instantiates the configuration's loggers.
        layout: W&B's files go below it.
        config: the configuration, logged with every run; its model and data and the key decide the run's id, so that
            the same command goes on with the same runs.
        model: what is trained.
        data: what it is trained on.
        settings: of the lottery, whose methods say what they do.
        seed: of the experiment.
        iterations: length of every training.
    """

    make: Callable[[], list[Logger]]
    layout: RunLayout
    config: Mapping[str, Any]
    model: LightningModule
    data: LightningDataModule
    settings: Pruning
    seed: int
    iterations: int
    _current: tuple[int, str, int] | None = None
    _loggers: list[Logger] = field(default_factory=list)
    _without_wandb: bool = False  # it has failed, which was said

    def begin(self, key: NetworkKey, density: float) -> list[Logger]:
        """Loggers for the next network; steps go on where the round before it ended.

        Args:
            key: the network.
            density: its share of weights remaining.
        """
        if _chain(key) != self._current:
            self.finish()
            self._current, self._loggers = _chain(key), self._made()
            for logger in rounds_loggers(self._loggers):
                self._begin_run(logger, key)
        elif others(self._loggers):
            finish(others(self._loggers))
            self._loggers = [*rounds_loggers(self._loggers), *others(self._made())]
        training = LoggedTraining(
            length=self.iterations, round=key.round, density=density, metrics=self.layout.network(key).metrics
        )
        for logger in rounds_loggers(self._loggers):
            logger.begin_training(training)
        name_loggers(self._loggers, f"{self.layout.name}/{key.path}", self.layout.name)
        about = {"experiment": self.layout.name, "replicate": key.replicate, "method": key.method}
        about |= {"round": key.round, "branch": key.branch, "density": density}
        self._loggers = [*rounds_loggers(self._loggers), *usable(others(self._loggers), about)]
        return self._loggers

    def end(self, key: NetworkKey, result: Result) -> None:
        """Log the summary of a finished network against its density."""
        for logger in rounds_loggers(self._loggers):
            logger.end_training(_summary(result))
            if not logger.is_recording:
                continue
            try:
                self._log_rounds(logger, key)
                if logger.artifacts:
                    logger.log_artifacts(self._tickets(key))
            except Exception as error:  # such as a damaged file of a network before
                logger.give_up(error)
        finish(others(self._loggers))
        if len(processes(self.layout)) > 1:
            # The next network of this run may be another process's, which looks in W&B's files for what is logged.
            self.finish()

    def finish(self) -> None:
        """End the runs that are open."""
        finish(self._loggers)
        self._without_wandb |= any(logger.has_failed for logger in rounds_loggers(self._loggers))
        self._current, self._loggers = None, []

    def complete(self) -> None:
        """Log what runs lack of finished networks, because a process or W&B was killed before it was written."""
        for logger in rounds_loggers(self._made()) if is_first() else ():
            finished = sorted(finished_keys(self.settings, self.layout), key=lambda key: key.round)
            for key in {_chain(key): key for key in finished}.values():
                self._begin_run(logger, replace(key, round=key.round + 1))
                logger.complete(partial(self._log_rounds, logger, key), partial(self._tickets, key))

    def _log_rounds(self, logger: RoundsWandbLogger, key: NetworkKey) -> None:
        """Log tables of all rounds of a run up to a network: densities by layer, and a curve for every density."""
        keys = self._chain_before(replace(key, round=key.round + 1))
        schema = Schema(protocols.metric_schema(self.model) or ())
        shown = headline_metrics(schema[name] for name in read_metrics(self.layout.network(key).metrics)[0])[:2]
        logger.log_table(LAYERS, LAYER_COLUMNS, layer_rows(self.layout, keys))
        rows = curve_rows(self.layout, keys, shown)
        for number, metric in enumerate(shown, start=2):
            curve = [[row[0], row[1], row[number]] for row in rows]
            logger.log_curves(f"{CURVES}/{metric.name}", metric.heading, ["density", ITERATION, metric.name], curve)

    def _tickets(self, key: NetworkKey) -> list[RunArtifact]:
        """The tickets of a run up to a finished network, of which the one of the best validation is the best."""
        best, column = configured_best(self.config), f"{EARLY_STOP}{configured_best(self.config).monitor}"
        rounds = [each for each in self._chain_before(replace(key, round=key.round + 1)) if each.method == key.method]
        place = best_of([read_result(self.layout.network(each)).value(column) for each in rounds], best.mode)
        befores = [None, *rounds[:-1]] if not key.of else [None] * len(rounds)
        return [
            RunArtifact(
                name=ticket_name(self.layout, each),
                alias=round_alias(each.round),
                known_by={"round": each.round},
                make=partial(ticket_artifact, self.layout, each, before),
                is_best=number == place,
                parents=[] if before is None else [f"{ticket_name(self.layout, before)}:{round_alias(before.round)}"],
            )
            for number, (each, before) in enumerate(zip(rounds, befores, strict=True))
        ]

    def _made(self) -> list[Logger]:
        """Fresh loggers."""
        made = self.make()
        return others(made) if self._without_wandb else made

    def _begin_run(self, logger: RoundsWandbLogger, key: NetworkKey) -> None:
        seeds = network_seeds(self.seed, key.replicate)
        logger.begin_run(
            run_id=run_id(self.layout.name, self.config, *_chain(key)),
            name="/".join([f"replicate_{key.replicate}", key.method, *([str(key.branch)] if key.of else [])]),
            group=self.layout.name,
            job_type=key.method,
            notes=self.settings.method(key).note,
            tags=run_tags(self.config),
            save_dir=self.layout.root,
            config={
                **self.config,
                **{"replicate": key.replicate, "method": key.method, "branch": key.branch},
                **run_facts(self.model, self.data, seeds),
            },
            schema=Schema(protocols.metric_schema(self.model) or ()),
            past=lambda: self._before(key),
            # Files that another process is writing would be cut off. The last one at work mends what is torn.
            alone=len(processes(self.layout)) < 2,
        )

    def _before(self, key: NetworkKey) -> list[LoggedTraining]:
        before = self._chain_before(key)
        return [self._finished(each, with_rows=each.round > 0 or key.method == DENSE) for each in before]

    def _chain_before(self, key: NetworkKey) -> list[NetworkKey]:
        """The finished networks of a run before one; a curve over density begins with the dense network."""
        dense = [NetworkKey(key.replicate, DENSE, 0)] if key.round > 0 else []
        rounds = [replace(key, round=round) for round in range(1, key.round)]
        return [each for each in [*dense, *rounds] if self.layout.network(each).done.exists()]

    def _finished(self, key: NetworkKey, *, with_rows: bool) -> LoggedTraining:
        files = self.layout.network(key)
        result = read_result(files)
        return LoggedTraining(
            length=self.iterations,
            round=key.round,
            density=result.density,
            metrics=files.metrics,
            finished=_summary(result),
            with_rows=with_rows,
        )


def others(loggers: list[Logger]) -> list[Logger]:
    """Those of some loggers that know no rounds."""
    return [logger for logger in loggers if not isinstance(logger, RoundsWandbLogger)]


def _chain(key: NetworkKey) -> tuple[int, str, int]:
    """What the networks of one run have in common."""
    return key.replicate, key.method, key.branch


def _summary(result: Result) -> dict[str, float]:
    """What W&B draws of a finished network against its density."""
    return {"early_stop_iteration": result.early_stop_iteration, **result.values}
