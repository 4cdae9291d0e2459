"""The lottery: train, prune, rewind, train again (Frankle & Carbin, section 2, "iterative pruning").

Every network is a function of the configuration and of the files of networks before it. A finished one is left alone, a
begun one goes on from its checkpoint: running the same command again does what is missing and nothing else.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule

from app.common import protocols
from app.common.errors import RunError
from app.common.plugins import errors_named
from app.common.ranks import is_first, of_first
from app.common.seeds import seeded
from app.common.states import load_plain_state
from app.lottery.finished_networks import FinishedNetworks
from app.lottery.job import Job, network_seeds
from app.lottery.kept_files import finished_keys, is_finished, save_start, tidy
from app.lottery.methods import Origin
from app.lottery.network_files import read_result
from app.lottery.settings import Pruning, read_settings
from app.lottery.turns import Others, Turns
from app.pruning import rewind
from app.runs.at_work import shared_files
from app.runs.config import read_config
from app.runs.layout import NetworkKey, RunLayout
from app.runs.lock import FileLock
from app.runs.table import Result, write_results
from callbacks import ExperimentProgress, FixedLearningRates, IterativePruningCallback


@dataclass(frozen=True, kw_only=True)
class Lottery:
    """One experiment in one run directory.

    Args:
        model: trained again and again, in place.
        data: what it is trained on; scores may look at its first batch.
        settings: what is pruned and which networks are trained.
        layout: where everything lies.
        seed: with the replicate and a purpose, the origin of every random draw.
        train: trains the model on a job until the job's directory is finished, and returns its row.
        whole: the settings of the run directory, where it holds more than this lottery.
        rewind_iteration: the iteration that `rewind_to` means, where it is in epochs.
    """

    model: LightningModule
    data: LightningDataModule
    settings: Pruning
    layout: RunLayout
    seed: int
    train: Callable[[Job], Result]
    whole: Pruning | None = None
    rewind_iteration: int | None = None

    def run(self) -> list[Result]:
        """Train every network of this command that is not finished; return the rows of all.

        The caller sees to it that no other process trains them.
        """
        finished = self.finished()
        for key in self.settings.selected():
            if key not in finished:
                finished[key] = self.make(key)
                self.record(finished.values())
        return self.conclude()

    def run_beside_others(self, stop: Callable[[], int], progress: ExperimentProgress, length: int) -> list[Result]:
        """Train every network of this command that is not finished and that no other process trains.

        Args:
            stop: asked while others are waited for whether to stop.
            progress: where it is shown.
            length: iterations of every training.

        Returns:
            The rows of all that are finished.

        Raises:
            Interrupted: asked to stop; the checkpoint is up to date.
            RunError: networks were left, because nobody trains what they are made from.
        """
        finished = self.finished()
        others = Others(self.settings, self.layout, finished, progress.note)
        turns = Turns(
            others=others,
            layout=self.layout,
            waiting=[key for key in self.settings.selected() if key not in finished],
            stop=stop,
            finished_elsewhere=lambda key: progress.skip(length),
        )
        while (turn := turns.take()) is not None:
            key, lock = turn
            with lock:
                finished[key] = self.make(key)
            self.record(finished.values())
        rows = self.conclude()
        if turns.waiting:
            raise left_out(others, turns.waiting)
        return rows

    def make_if_free(self, key: NetworkKey) -> bool:
        """Train one network, unless another process trains it or has finished it meanwhile; returns whether it did."""
        with FileLock(self.layout.network(key).lock) as lock:
            if not lock.take() or is_finished(self.settings, self.layout, key):
                return False
            self.make(key)
            return True

    def make(self, key: NetworkKey) -> Result:
        """Train one network, of which all that it is made from is finished; return its row."""
        return self.train(self.prepare(key))

    def prepare(self, key: NetworkKey) -> Job:
        """Put the model into the starting point of a network, of which all that it is made from is finished."""
        ticket, method = self.callback(), self.settings.method(key)
        with errors_named("pruning.methods", method):
            origin, callbacks = method.origin(key, self.networks_before), method.callbacks(key)
        if method.at_last_rate:
            callbacks = [FixedLearningRates(self.networks_before.last_learning_rates(key.replicate)), *callbacks]
        self.draw(ticket, origin, key)
        source, seeds = method.ticket_files(key), self.seeds(key)
        return Job(key=key, start=origin.weights, ticket=ticket, seeds=seeds, callbacks=callbacks, source=source)

    def callback(self) -> IterativePruningCallback:
        """The callback that prunes and rewinds."""
        settings, rewind_to = self.settings, self.settings.rewind_to
        if self.rewind_iteration is not None:  # epochs may differ in length: one count of them is for all networks
            rewind_to = f"{self.rewind_iteration}it"
        return IterativePruningCallback(
            settings.rates, settings.scope, rewind_to, settings.built_score, settings.least_per_layer
        )

    def draw(self, ticket: IterativePruningCallback, origin: Origin, key: NetworkKey) -> None:
        """Let the callback prune and rewind the model, as it does between two fits of a script."""
        trained = origin.trained if origin.trained is not None else origin.weights
        if any(value.dtype == torch.float64 for value in trained.values()):
            self.model.double()  # or loading them would round what is ranked
        if key.round == 0:
            rewind(self.model, origin.weights, origin.masks)
        else:
            load_plain_state(self.model, trained, "the trained weights")
            scored_from = origin.weights if origin.scored_from is None else origin.scored_from
            ticket.adopt(origin.masks, round=key.round - 1, rewind_point=scored_from)
            ticket.next_round(
                self.model,
                survivors_to_keep=origin.survivors,
                score=(origin.score or self.settings.built_score).seeded(self.networks_before.generator(key)),
                make_batch=partial(self._first_batch, key),
            )
            if origin.scored_from is not None:
                rewind(self.model, origin.weights, ticket.masks)
        ticket.adopt(ticket.masks or origin.masks, round=key.round)

    def _first_batch(self, key: NetworkKey) -> Any:
        """The first training batch of a replicate: the same on every rank, whatever this process has trained before."""
        seeds = self.seeds(key)
        # Of a trainer, data asks which rank it is, and then yields that rank's share.
        trainer, self.data.trainer = self.data.trainer, None
        try:
            protocols.reseed(self.data, split=seeds["split"], order=seeds["order"])
            self.data.setup("fit")
            with seeded(seeds["training"]):
                return next(iter(self.data.train_dataloader()))
        finally:
            self.data.trainer = trainer

    @property
    def networks_before(self) -> FinishedNetworks:
        """What the finished networks left."""
        return FinishedNetworks(model=self.model, settings=self.settings, layout=self.layout, seed=self.seed)

    def record(self, rows: Iterable[Result]) -> None:
        """Write results.csv of all networks of the run directory that are finished.

        Args:
            rows: of this lottery; the directory may hold more, of a larger one.
        """
        if is_first():
            with shared_files(self.layout):
                self._record({row.key: row for row in rows})

    def _record(self, found: dict[NetworkKey, Result]) -> None:
        for key, files in self.layout.networks().items():
            if key not in found and files.done.exists():
                found[key] = read_result(files)
        order = self._whole_now.method_names
        place = {name: order.index(name) if name in order else len(order) for name in {key.method for key in found}}
        keys = sorted(found, key=lambda key: (key.replicate, place[key.method], key.method, key.round, key.branch))
        write_results(self.layout.results, [found[key] for key in keys])

    def conclude(self) -> list[Result]:
        """Write the results and delete what is needed no more; return the rows of what is finished of this command."""
        finished = self.finished()
        self.record(finished.values())
        if is_first():
            with shared_files(self.layout):
                tidy(self._whole_now, self.layout)
        return [finished[key] for key in self.settings.selected() if key in finished]

    @property
    def _whole_now(self) -> Pruning:
        """The settings of the run directory: another command may have made the experiment larger meanwhile."""
        if self.whole is None or not self.layout.config.exists():
            return self.whole or self.settings
        return read_settings(read_config(self.layout)["pruning"], str(self.layout.config))

    def finished(self) -> dict[NetworkKey, Result]:
        """The rows of the networks that are done, in the order in which they are trained; on every rank the same.

        Raises:
            UserError: a file of a finished network is damaged.
        """
        return of_first(self._finished)

    def _finished(self) -> dict[NetworkKey, Result]:
        for replicate in dict.fromkeys(key.replicate for key in finished_keys(self.settings, self.layout)):
            if not self.layout.initial(replicate).exists():
                self.networks_before.initial(replicate)  # draws it again
        if "start" in self.settings.keep:
            for key in finished_keys(self.settings, self.layout):
                save_start(self.settings.method(key), key, self.networks_before)  # or it counts as missing from now on
        return {key: read_result(self.layout.network(key)) for key in finished_keys(self.settings, self.layout)}

    def seeds(self, key: NetworkKey) -> dict[str, int]:
        """The seeds of a network by purpose; all networks of a replicate see the same split and the same order."""
        return network_seeds(self.seed, key.replicate)


def left_out(others: Others, waiting: Sequence[NetworkKey]) -> RunError:
    """The error of a command that has left networks.

    Args:
        others: what other processes do.
        waiting: the networks.
    """
    names = f"{waiting[0]}" + (f" and {len(waiting) - 1} more" if len(waiting) > 1 else "")
    return RunError(f"not trained: {names}; {others.lacking(waiting)}")
