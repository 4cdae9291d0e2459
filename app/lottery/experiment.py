"""One lottery in its run directory: trained by this process, by workers of this one, or as such a worker."""

import signal
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import Logger

from app.common.errors import Interrupted, RunError
from app.common.lines import print_to_stderr
from app.common.ranks import is_first
from app.common.signals import stop_on_signals
from app.common.tables import print_table
from app.lottery.lottery_loggers import LotteryLoggers
from app.lottery.network import NetworkTraining
from app.lottery.network_files import read_result
from app.lottery.rounds import Lottery, left_out
from app.lottery.settings import Pruning
from app.lottery.stacks.group import Place
from app.lottery.stacks.run import StackedLottery
from app.lottery.turns import Others
from app.lottery.workers.gpus import CUDA_VISIBLE_DEVICES, worker_gpus
from app.lottery.workers.parent import Parent
from app.lottery.workers.pool import WorkerPool
from app.lottery.workers.schedule import Schedule
from app.lottery.workers.serve import serve
from app.lottery.workers.worker import Worker
from app.report.tables import summary_table
from app.runs.at_work import processes
from app.runs.best_validation import configured_best
from app.runs.layout import NetworkKey, RunLayout
from app.runs.lock import is_breaking, remove_free
from app.runs.schema import read_schema
from app.training.trainer_factory import TrainerFactory
from callbacks import ExperimentProgress, ReportedProgress


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A lottery, and all that its networks are trained with.

    Args:
        model: trained again and again, in place.
        data: what it is trained on.
        settings: the lottery's options.
        layout: where everything is written.
        iterations: length of every training.
        rewind_iteration: the iteration that tickets are rewound to.
        seed: of all random draws.
        threads: torch's, for the record.
        config: the whole configuration.
        make_trainer: a fresh Trainer from the configuration.
        make_loggers: fresh loggers from the configuration.
        checkpoint_seconds: how often a training in progress is saved.
        requeue_on: the signal after which SLURM is to run the job again, if any.
        on_gpus: whether trainings are on GPUs, of which each worker has its own.
    """

    model: LightningModule
    data: LightningDataModule
    settings: Pruning
    layout: RunLayout
    iterations: int
    rewind_iteration: int
    seed: int
    threads: int
    config: dict[str, Any]
    make_trainer: TrainerFactory
    make_loggers: Callable[[], list[Logger]]
    checkpoint_seconds: float
    requeue_on: signal.Signals | None = None
    on_gpus: bool = False

    def draw(self, whole: Pruning | None = None, *, alone: bool = True) -> None:
        """Train what is not finished, one network after the other.

        Args:
            whole: the settings of the run directory, where it holds more than this lottery.
            alone: no other process trains any of these networks, as the caller has seen to.

        Raises:
            Interrupted: asked to stop; the checkpoint is up to date.
            RunError: networks were left, because nobody trains what they are made from.
        """
        loggers = self._loggers()
        with stop_on_signals(self.requeue_on) as stop, self._progress() as progress:
            lottery = self._lottery(loggers, progress, stop, whole)
            progress.skip(self._done(lottery.finished()) * self.iterations)
            try:
                rows = lottery.run() if alone else lottery.run_beside_others(stop, progress, self.iterations)
            finally:
                loggers.finish()
            self._complete(loggers)
        if is_first():
            print_table(summary_table(rows, read_schema(self.layout), configured_best(self.config)))

    def draw_side_by_side(self, whole: Pruning | None = None) -> None:
        """Train what is not finished in several processes.

        Args:
            whole: as for `draw`.

        Raises:
            Interrupted: asked to stop; the checkpoints are up to date.
            RunError: networks have failed, and all that can be without them is trained.
        """
        loggers = self._loggers()
        with stop_on_signals(self.requeue_on) as stop, self._progress() as progress:
            lottery = self._lottery(loggers, progress, bool, whole)
            finished = lottery.finished()
            missing = self._size - self._done(finished)
            progress.skip(self._done(finished) * self.iterations)
            workers = min(self.settings.workers, missing)
            others = Others(self.settings, self.layout, finished, progress.note)

            def record(key: NetworkKey) -> None:
                finished[key] = read_result(self.layout.network(key))
                lottery.record(finished.values())

            pool = WorkerPool(
                size=workers,
                schedule=Schedule(self.settings, finished, workers),
                others=others,
                start=self._start_worker,
                finished=record,
                progress=progress,
                iterations=self.iterations,
                stop=stop,
            )
            for failure in pool.run():
                print_to_stderr(f"failed: {failure}")
            missing = self._size - self._done(lottery.finished())
            if missing and stop():
                raise Interrupted
        self._complete(loggers)
        rows = lottery.conclude()
        if pool.left and missing == len(pool.left):
            raise left_out(others, pool.left)
        if missing:
            raise RunError(f"{missing} of {self._size} networks are not there; the same command tries them again")
        print_table(summary_table(rows, read_schema(self.layout), configured_best(self.config)))

    def _start_worker(self, number: int) -> Worker:
        gpus = worker_gpus(self.settings.workers) if self.on_gpus else []
        device = {CUDA_VISIBLE_DEVICES: gpus[number % len(gpus)]} if gpus else {}
        return Worker({**self.config, "break_locks": is_breaking()}, device)

    def draw_at_once(self, trainer: Trainer, whole: Pruning | None = None) -> None:
        """Train what is not finished, several networks at once.

        Args:
            trainer: of the configuration; says on which device and in which precision.
            whole: as for `draw`.

        Raises:
            Interrupted: asked to stop; the checkpoint is up to date.
            RunError: a training diverged; those that were trained beside it are finished.
        """
        loggers = self._loggers()
        with stop_on_signals(self.requeue_on) as stop, self._progress() as progress:
            lottery = self._lottery(loggers, progress, stop, whole)
            progress.skip(self._done(lottery.finished()) * self.iterations)
            assert isinstance(lottery.train, NetworkTraining)
            stacked = StackedLottery(
                lottery=lottery,
                network=lottery.train,
                progress=progress,
                place=Place(trainer.strategy.root_device, trainer.precision, self.config["trainer"]),
            )
            try:
                rows = stacked.run()
            finally:
                loggers.finish()
            self._complete(loggers)
        print_table(summary_table(rows, read_schema(self.layout), configured_best(self.config)))

    def serve(self, parent: Parent) -> None:
        """Train the networks that another process asks for, and that no third one trains.

        Args:
            parent: that process.
        """
        loggers = self._loggers()
        lottery = self._lottery(loggers, ReportedProgress(parent), parent.stop)
        try:
            serve(parent, train=lottery.make_if_free, release=loggers.finish)
        finally:
            loggers.finish()

    def lottery(self, progress: ExperimentProgress, stop: Callable[[], int]) -> Lottery:
        """The lottery that makes its networks, for studies of them.

        Args:
            progress: where trainings are shown.
            stop: asked between iterations whether to stop.
        """
        return self._lottery(self._loggers(), progress, stop)

    def _complete(self, loggers: LotteryLoggers) -> None:
        """Log what W&B's runs lack; the last process that is at work does, or two would log the same.

        It also removes the locks of finished networks whose process was killed after the end.
        """
        if len(processes(self.layout)) < 2:
            loggers.complete()
            if is_first():
                for network in self.layout.networks().values():
                    remove_free(network.lock)

    @property
    def _size(self) -> int:
        return len(self.settings.selected())

    def _done(self, finished: Collection[NetworkKey]) -> int:
        """How many of the networks of this command are finished."""
        return sum(key in finished for key in self.settings.selected())

    def _progress(self) -> ExperimentProgress:
        return ExperimentProgress(self._size * self.iterations)

    def _loggers(self) -> LotteryLoggers:
        return LotteryLoggers(
            make=self.make_loggers,
            layout=self.layout,
            config=self.config,
            model=self.model,
            data=self.data,
            settings=self.settings,
            seed=self.seed,
            iterations=self.iterations,
        )

    def _lottery(
        self,
        loggers: LotteryLoggers,
        progress: ExperimentProgress | ReportedProgress,
        stop: Callable[[], int],
        whole: Pruning | None = None,
    ) -> Lottery:
        training = NetworkTraining(
            model=self.model,
            data=self.data,
            settings=self.settings,
            layout=self.layout,
            iterations=self.iterations,
            rewind_iteration=self.rewind_iteration,
            best=configured_best(self.config),
            config=self.config,
            threads=self.threads,
            make_trainer=self.make_trainer,
            loggers=loggers,
            progress=progress,
            checkpoint_seconds=self.checkpoint_seconds,
            stop=stop,
        )
        return Lottery(
            model=self.model,
            data=self.data,
            settings=self.settings,
            layout=self.layout,
            seed=self.seed,
            train=training,
            whole=whole,
            rewind_iteration=self.rewind_iteration if self.settings.rewind_to.endswith("ep") else None,
        )
