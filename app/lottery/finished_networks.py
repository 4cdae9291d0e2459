"""What the finished networks of a lottery left, and what is drawn for the next."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from app.common import protocols
from app.common.errors import UserError
from app.common.prunable import prunable_parameters, prunable_parts
from app.common.ranks import is_first
from app.common.seeds import derive_seed, generator, seeded
from app.common.states import digest, plain_state
from app.lottery.methods import dense_key
from app.lottery.moments import rewound_to
from app.lottery.settings import Pruning
from app.pruning import Masks, When, dense_masks, schedule
from app.pruning.parts import kinds_of, part_sizes, split
from app.runs.at_work import shared_files
from app.runs.checkpoints import read_checkpoint, training_weights
from app.runs.checksums import missing, record, recorded
from app.runs.layout import NetworkKey, RunLayout, TrainingLayout
from app.runs.network_report import read_report
from app.runs.recorded_tensors import read_tensors
from app.runs.tensors import save_tensors

LAST_RATES = "last_learning_rates"  # in the report of a dense network


@dataclass(frozen=True, kw_only=True)
class FinishedNetworks:
    """What methods ask for; see `app.lottery.methods.Finished`.

    Args:
        model: draws fresh weights.
        settings: of the lottery.
        layout: where everything lies.
        seed: with the replicate and a purpose, the origin of every random draw.
    """

    model: LightningModule
    settings: Pruning
    layout: RunLayout
    seed: int

    @property
    def methods(self) -> Collection[str]:
        """Names of all methods of the lottery."""
        return self.settings.method_names

    def initial(self, replicate: int) -> dict[str, Tensor]:
        """The state before any training; drawn and saved where it is not there yet.

        Raises:
            UserError: the file is damaged; or it is missing, and other weights would be drawn now.
        """
        path = self.layout.initial(replicate)
        if path.exists() or not is_first():
            return self._initial(replicate)
        with shared_files(self.layout):  # it is written once, by whoever comes first
            return self._initial(replicate)

    def _initial(self, replicate: int) -> dict[str, Tensor]:
        path = self.layout.initial(replicate)
        if path.exists():
            return read_tensors(path)
        start = self._draw(derive_seed(self.seed, replicate, "initialisation"))
        before = recorded(path)
        if before is not None and before.checksum != digest(start):
            raise UserError(
                f"{path}: no such file, and the weights that are drawn in its place have another checksum than "
                f"{before.source} (was PyTorch's version changed?); put the file back, or delete {path.parent} to "
                "train all of it again"
            )
        if is_first():
            record(path.parent, {path.name: digest(start)})
            save_tensors(path, start)
        return start

    def rewind_point(self, replicate: int, method: str = "") -> dict[str, Tensor]:
        """The state at the moment that survivors are rewound to.

        Args:
            replicate: its number.
            method: name of the method whose tickets are meant; where it has no moment of its own, or is left out, it is
                that of the lottery.

        Raises:
            UserError: a file is missing or damaged.
        """
        moment = rewound_to(self.settings, method)
        if moment.count == 0:
            return self.initial(replicate)
        if moment == When.parse(self.settings.rewind_to):
            return read_tensors(self.layout.rewind_weights(replicate))
        path = self.layout.moment(replicate, str(moment))
        if not path.exists():
            raise missing(path)
        return training_weights(read_checkpoint(path))

    def final(self, key: NetworkKey) -> dict[str, Tensor]:
        """The trained state of a network."""
        return read_tensors(self.layout.network(key).final)

    def mask(self, key: NetworkKey) -> Masks:
        """The masks of a network."""
        return read_tensors(self.layout.network(key).mask)

    def dense_masks(self, replicate: int) -> Masks:
        """Masks of which nothing is missing."""
        start = self.initial(replicate)
        return dense_masks({name: start[name] for name in prunable_parameters(self.model)})

    def parts(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Views of tensors, such as masks, in parts of one layer kind each."""
        return split(tensors, prunable_parts(self.model))

    def last_learning_rates(self, replicate: int) -> list[list[float]]:
        """The rates of the dense training's last iteration, by optimiser and parameter group.

        Raises:
            UserError: its report has none, as those of earlier versions.
        """
        return last_learning_rates(self.layout.network(dense_key(replicate)))

    def scheduled_survivors(self, round: int) -> dict[str, int]:
        """How many weights of each part the rates leave after so many layer-wise prunings."""
        kinds, settings = self._kinds, self.settings
        sizes = {name: size for name, size in part_sizes(self.model).items() if name in kinds}
        return schedule(sizes, kinds, settings.rates_for(kinds), round, settings.least_per_layer)[round]

    def scheduled_total(self, round: int) -> int:
        """How many prunable weights the rates leave after so many prunings, in all."""
        return sum(self.settings.pool_schedule(part_sizes(self.model), self._kinds, round)[round].values())

    def fresh_weights(self, key: NetworkKey) -> dict[str, Tensor]:
        """A state drawn for this network alone."""
        return self._draw(self._seed(key))

    def generator(self, key: NetworkKey) -> torch.Generator:
        """A generator for this network alone."""
        return generator(self._seed(key))

    @property
    def _kinds(self) -> Mapping[str, str]:
        return kinds_of(prunable_parts(self.model))

    def _seed(self, key: NetworkKey) -> int:
        return derive_seed(self.seed, key.replicate, f"{key.method}/round_{key.round:02d}/{key.branch}")

    def _draw(self, seed: int) -> dict[str, Tensor]:
        """A fresh initialisation of the model, from a seed of its own.

        Always drawn in single precision: in double, where a training may have left the model, the draws are others.
        """
        self.model.float()
        with seeded(seed):
            protocols.reset_parameters(self.model)
        return plain_state(self.model)


def last_learning_rates(files: TrainingLayout) -> list[list[float]]:
    """The rates of a dense training's last iteration, by optimiser and parameter group.

    Raises:
        UserError: its report has none, as those of earlier versions.
    """
    if not (rates := read_report(files).get(LAST_RATES)):
        raise UserError(
            f"{files.report}: has no {LAST_RATES}, which methods that train at the last learning rate need; delete "
            f"{files.root}, and the same command trains the dense network again"
        )
    return [[float(rate) for rate in group] for group in rates]
