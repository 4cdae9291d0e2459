"""The lottery: train, prune, rewind, train again (Frankle & Carbin, section 2, "iterative pruning").

Every network is a function of the configuration and of the files of networks before it. A finished one is left alone, a
begun one goes on from its checkpoint: running the same command again does what is missing and nothing else.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lightning.pytorch import LightningModule
from torch import Tensor

from app import pruning
from app.common.ranks import is_first
from app.common.seeds import derive_seed, generator, seeded
from app.lottery.network import Job, read_result
from app.lottery.settings import Pruning
from app.pruning import Masks
from app.runs import tensors
from app.runs.layout import NetworkKey, RunLayout
from app.runs.results import Result, write_results


@dataclass(frozen=True, kw_only=True)
class Lottery:
    """One experiment in one run directory.

    Args:
        model: trained again and again, in place; it offers `prunable_parameters()` and `reset_parameters()`.
        settings: what is pruned and which networks are trained.
        layout: where everything lies.
        seed: with the replicate and a purpose, the origin of every random draw.
        train: trains the model on a job until the job's directory is finished, and returns its row.
    """

    model: LightningModule
    settings: Pruning
    layout: RunLayout
    seed: int
    train: Callable[[Job], Result]

    def run(self) -> list[Result]:
        """Train every network of the experiment that is not finished; return the rows of all."""
        finished = self.finished()
        for key in self.settings.networks():
            if key not in finished:
                finished[key] = self.make(key)
                self.record(finished.values())
        return self.conclude()

    def make(self, key: NetworkKey) -> Result:
        """Train one network, of which all that it is made from is finished; return its row."""
        start, masks = self.starting_point(key)
        pruning.rewind(self.model, start, masks)
        return self.train(Job(key=key, start=start, masks=masks, seeds=self.seeds(key)))

    def record(self, rows: Iterable[Result]) -> None:
        """Write results.csv of the networks that are finished."""
        if is_first():
            write_results(self.layout.results, rows)

    def conclude(self) -> list[Result]:
        """Tidy up behind the last network; return the rows of all."""
        rows = list(self.finished().values())
        self.record(rows)
        if is_first():
            self._tidy()
        return rows

    def finished(self) -> dict[NetworkKey, Result]:
        """The rows of the networks that are done, in the order in which they are trained."""
        layouts = {key: self.layout.network(key) for key in self.settings.networks()}
        return {key: read_result(files) for key, files in layouts.items() if files.done.exists()}

    def starting_point(self, key: NetworkKey) -> tuple[dict[str, Tensor], Masks]:
        """Weights and masks that a network begins with, before they are multiplied."""
        replicate, round = key.replicate, key.round
        if key.method == "dense":
            start = self._initial(replicate)
            return start, pruning.dense_masks({name: start[name] for name in pruning.prunable_kinds(self.model)})
        if key.method == "iterative":
            return self._rewind_point(replicate), self._prune(replicate, round)
        if key.method == "one_shot":
            dense = self._final(NetworkKey(replicate, "dense", 0))
            counts = self._counts(replicate, round)
            return self._rewind_point(replicate), pruning.keep_largest({name: dense[name] for name in counts}, counts)
        masks = self._mask(NetworkKey(replicate, "iterative", round))
        purpose = f"{key.method}/round_{round:02d}/{key.branch}"
        if key.method == "random_reinit":
            return self._draw(derive_seed(self.seed, replicate, purpose)), masks
        places = generator(derive_seed(self.seed, replicate, purpose))
        return self._rewind_point(replicate), pruning.random_masks(masks, places)

    def seeds(self, key: NetworkKey) -> dict[str, int]:
        """The seeds of a network by purpose; all networks of a replicate see the same split and the same order."""
        purposes = ("initialisation", "split", "order", "training")
        return {purpose: derive_seed(self.seed, key.replicate, purpose) for purpose in purposes}

    def _prune(self, replicate: int, round: int) -> Masks:
        """The masks of iterative round `round`: the trained network before it without its smallest weights."""
        before = NetworkKey(replicate, "iterative" if round > 1 else "dense", round - 1)
        return pruning.prune(
            self._final(before),
            self._mask(before),
            kinds=pruning.prunable_kinds(self.model),
            rates=self.settings.rates,
            scope=self.settings.scope,
        )

    def _counts(self, replicate: int, round: int) -> dict[str, int]:
        """Survivors of each tensor after iterative round `round`."""
        if "iterative" in self.settings.methods:
            return pruning.survivors(self._mask(NetworkKey(replicate, "iterative", round)))
        kinds = pruning.prunable_kinds(self.model)
        sizes = {name: size for name, size in pruning.weight_sizes(self.model).items() if name in kinds}
        return pruning.schedule(sizes, kinds, self.settings.rates, round)[round]

    def _initial(self, replicate: int) -> dict[str, Tensor]:
        path = self.layout.initial(replicate)
        if path.exists():
            return tensors.load_tensors(path)
        start = self._draw(derive_seed(self.seed, replicate, "initialisation"))
        if is_first():
            tensors.save_tensors(path, start)
        return start

    def _draw(self, seed: int) -> dict[str, Tensor]:
        """A fresh initialisation of the model, from a seed of its own.

        Always drawn in single precision: in double, where a training may have left the model, the draws are others.
        """
        self.model.float()
        with seeded(seed):
            self.model.reset_parameters()  # type: ignore[operator]
        return {name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()}

    def _rewind_point(self, replicate: int) -> dict[str, Tensor]:
        return tensors.load_tensors(self.layout.start_point(replicate))

    def _final(self, key: NetworkKey) -> dict[str, Tensor]:
        return tensors.load_tensors(self.layout.network(key).final)

    def _mask(self, key: NetworkKey) -> Masks:
        return tensors.load_tensors(self.layout.network(key).mask)

    def _tidy(self) -> None:
        """Trained weights are needed until the last network is made from them, whether or not they are kept."""
        for files in map(self.layout.network, self.settings.networks()):
            files.checkpoint.unlink(missing_ok=True)  # of a process that was killed right after DONE
            if "final" not in self.settings.keep:
                files.final.unlink(missing_ok=True)
