"""Networks of a lottery on a device, where they are trained and measured at once."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor

from app.common import protocols
from app.common.states import plain_name, plain_state
from app.lottery.job import Job
from app.lottery.stacks.data import Gathered, gather
from app.lottery.stacks.validations import Validations
from app.pruning import density, survivors, weight_sizes
from app.stacked import Clipping, EvaluationSet, Means, Orders, StackedTraining, check_stackable, evaluate, stack

MEASURED = ("val", "test")  # parts of the data, at every validation


class Prepared(NamedTuple):
    """A network in its starting point.

    Args:
        job: what is trained.
        state: of the whole module, masked.
        share: of weights remaining.
    """

    job: Job
    state: dict[str, Tensor]
    share: float


def prepared(model: LightningModule, job: Job) -> Prepared:
    """A job whose starting point the module has."""
    return Prepared(job, plain_state(model), density(weight_sizes(model), survivors(job.ticket.masks)))


class Place(NamedTuple):
    """Where and how groups are trained.

    Args:
        device: of the Trainer.
        precision: of the Trainer.
        arguments: of the Trainer, in the configuration.
    """

    device: torch.device
    precision: str
    arguments: Mapping[str, Any]


class Group:
    """Networks that are trained at once.

    Args:
        model: their module, which was checked.
        data: what they are trained on.
        networks: those of a replicate stand beside each other.
        place: where.
        gathered: data of earlier groups.

    Attributes:
        training: goes on from iteration to iteration.
        validations: the iterations that one follows.
    """

    def __init__(
        self,
        model: LightningModule,
        data: LightningDataModule,
        networks: Sequence[Prepared],
        place: Place,
        gathered: Gathered,
    ) -> None:
        assert isinstance(model, protocols.Stackable)
        parts = model.stackable()
        self._networks = networks
        # By the names that tensors have in the net, those in files.
        self._names = {
            name: f"{parts.prefix}{plain_name(name)}"
            for name in [name for some in (parts.net.named_parameters(), parts.net.named_buffers()) for name, _ in some]
        }
        self._data = gather(data, [one.job for one in networks], gathered)
        dtype = torch.float64 if place.precision == "64-true" else torch.float32
        states = [self._of_net(one.state, dtype) for one in networks]
        many = stack(parts.net, states)
        check_stackable(many, self._data.images[:1].to(dtype))
        value, algorithm = (place.arguments.get(f"gradient_clip_{name}") for name in ("val", "algorithm"))
        self.training = StackedTraining(
            many,
            many.layout.pack(states, dtype=dtype),
            many.layout.pack([self._of_net(one.job.ticket.masks) for one in networks], dtype=torch.bool, fill=True),
            parts.optimizer,
            self._data.images.to(dtype),
            self._data.labels,
            Orders(
                [rows["train"] for rows in self._data.rows],
                [one.job.seeds["order"] for one in networks],
                self._data.batch_size,
            ),
            device=place.device,
            clipping=Clipping(float(value), algorithm or "norm") if value else None,
        )
        self.validations = Validations.configured(place.arguments, self.training.orders.batches)
        self._sets = {part: [self._set(*each) for each in self._data.groups(part)] for part in MEASURED}

    def __len__(self) -> int:
        return len(self._networks)

    def _of_net(self, state: Mapping[str, Tensor], dtype: torch.dtype | None = None) -> dict[str, Tensor]:
        found = {name: state[whole] for name, whole in self._names.items() if whole in state}
        return {name: value.to(dtype) if value.is_floating_point() else value for name, value in found.items()}

    def state(self, number: int) -> dict[str, Tensor]:
        """The state of the whole module of one network, now; on the CPU."""
        networks = self.training.networks
        found = {name: view[0] for name, view in networks.layout.views(self.training.flat.detach()[[number]]).items()}
        found |= {name: buffer[number] for name, buffer in networks.buffers.items()}
        now = {self._names[name]: value.detach().cpu().clone() for name, value in found.items()}
        return {name: now.get(name, value) for name, value in self._networks[number].state.items()}

    def validate(self) -> dict[str, Tensor]:
        """Metrics by name, (N,), on the device; those of the training since the last time, if there was any."""
        found = {"train": self.training.means()} if self.training.iteration else {}
        self.training.reset_means()
        return _by_name(found) | self.evaluate()

    def evaluate(self) -> dict[str, Tensor]:
        """Metrics of the validation and test images by name, (N,), on the device."""
        return _by_name({part: self._measure(sets) for part, sets in self._sets.items()})

    def supermask_accuracy(self) -> Tensor:
        """The accuracy of each network on its validation images, float64 (N,); to be asked before the training."""
        return self._measure(self._sets["val"]).accuracy

    def train_accuracy(self) -> Tensor:
        """The accuracy of each network on all its training images, float64 (N,)."""
        found = []
        for rows, networks in self._data.groups("train"):  # one after the other, as they take memory
            accuracy = self._measure([self._set(rows, networks)]).accuracy
            found.append(accuracy[networks.start : networks.stop])
        return torch.cat(found)

    def _set(self, rows: Tensor, networks: range) -> EvaluationSet:
        where = rows.to(self.training.device)
        return EvaluationSet(self.training.images[where], self.training.labels[where], networks)

    def _measure(self, sets: Sequence[EvaluationSet]) -> Means:
        return evaluate(self.training.networks, self.training.flat.detach(), sets)


def numbers(values: Tensor) -> list[float]:
    """Each as the shortest decimal that rounds to it."""
    array = values.cpu().numpy()
    return [float(value) for value in (array if values.dtype == torch.float64 else map(str, array))]


def _by_name(found: Mapping[str, Means]) -> dict[str, Tensor]:
    """By the names of a Classifier's metrics, in the precision that it logs them in."""
    measured = {}
    for part, means in found.items():
        measured[f"{part}_loss"] = means.loss
        measured[f"{part}_accuracy"] = means.accuracy if part == "train" else means.accuracy.float()
    return measured
