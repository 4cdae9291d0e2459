"""Bytes and milliseconds of a lottery's tickets at every round: `python -m app bench --tickets RUN`."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import safetensors.torch
import torch
from torch import Tensor, nn

from app.bench.figures import three_digits
from app.bench.rows import BenchRow
from app.bench.tasks import BenchSection, Setting, Task
from app.bench.timing import Quartiles, ratios, take_turns, timed
from app.cli.main import make_network
from app.common.errors import UserError
from app.nets import sparsify
from app.pruning import rewind
from app.pruning.mask_coding import least_bits
from app.runs.layout import NetworkKey, RunLayout, TrainingLayout
from app.runs.ticket import ticket_of
from app.runs.ticket_file import CODES, OURS, Ticket, pack

EXAMPLES = 60
SECONDS = 1.5  # for one ticket
INTEGERS = (torch.int32, torch.int64)
USUAL = "iterative"  # the method whose tickets these are, where it is there


@dataclass(frozen=True, kw_only=True)
class TicketRow:
    """A ticket.

    Args:
        round: the number of prunings.
        density: share of the prunable weights that survive.
        limit: bytes of the masks at their entropy limit.
        masks: bytes of the masks in the file.
        bits: bytes of the masks at a bit per weight.
        least: bytes of the limit, of the surviving weights and of whatever has no mask.
        file: bytes of the whole file, in the precision of the training.
        dense: bytes of the weights without masks.
        sparse_seconds: of every forward pass in evaluation, of the network whose masked layers are sparse.
        dense_seconds: of the dense one.
    """

    headings: ClassVar[tuple[str, ...]] = (
        *("% left", "limit", "masks", "bits", "least", "file", "dense", "sparse", "dense", "ratio"),
    )

    round: int
    density: float
    limit: float
    masks: int
    bits: int
    least: float
    file: int
    dense: int
    sparse_seconds: Sequence[float]
    dense_seconds: Sequence[float]

    @property
    def ratio(self) -> Quartiles:
        """How many times as fast the sparse network is."""
        return Quartiles.of(ratios(self.dense_seconds, self.sparse_seconds))

    def cells(self) -> tuple[str, ...]:
        """Kilobytes, then the medians of the milliseconds and of their ratio."""
        bytes_ = self.limit, self.masks, self.bits, self.least, self.file, self.dense
        sizes = (three_digits(size / 1000) for size in bytes_)
        times = (three_digits(1000 * each) for each in self._medians())
        return f"{100 * self.density:.2f}", *sizes, *times, f"{self.ratio.median:.2f}"

    def plain(self) -> dict[str, Any]:
        """All numbers; times in seconds."""
        ratio = self.ratio
        return {
            "round": self.round,
            "density": self.density,
            **{f"{name}_bytes": getattr(self, name) for name in ("limit", "masks", "bits", "least", "file", "dense")},
            "sparse_seconds": list(self.sparse_seconds),
            "dense_seconds": list(self.dense_seconds),
            "ratio": {"lower": ratio.lower, "median": ratio.median, "upper": ratio.upper},
        }

    def _medians(self) -> tuple[float, float]:
        return Quartiles.of(self.sparse_seconds).median, Quartiles.of(self.dense_seconds).median


def section(directory: Path) -> BenchSection:
    """A section with the tickets of the first replicate and the first method of a lottery.

    Args:
        directory: of the lottery.

    Raises:
        UserError: it has no finished tickets.
    """
    run = RunLayout(directory)
    found = {key: files for key, files in run.networks().items() if files.done.exists() and not key.of}
    chosen = _first(found)
    if not any(key.round for key in chosen):
        raise UserError(f"{directory}: no finished tickets of a lottery there; name its directory, as in runs/X")
    method = next(key.method for key in chosen if key.round)
    title = (
        f"Tickets of {run.name}, {method}. Kilobytes of the masks: their limit, coded, a bit per weight; of all: limit "
        "and values, the file, dense weights. Milliseconds of a forward pass, sparse and dense"
    )
    return BenchSection("tickets", title, partial(_tasks, chosen))


def _first(found: dict[NetworkKey, TrainingLayout]) -> dict[NetworkKey, TrainingLayout]:
    """The dense network and the tickets of the first method, of the first replicate, by round."""
    tickets = [key for key in found if key.round]
    if not tickets:
        return {}
    replicate = min(key.replicate for key in tickets)
    method = min((key.method for key in tickets if key.replicate == replicate), key=lambda name: (name != USUAL, name))
    wanted = (key for key in found if key.replicate == replicate and (key.round == 0 or key.method == method))
    return {key: found[key] for key in sorted(wanted, key=lambda key: key.round)}


def _tasks(networks: dict[NetworkKey, TrainingLayout], setting: Setting) -> list[Task]:
    forward = _Forward(next(iter(networks.values())).root)
    return [
        Task(str(key), SECONDS, partial(_measured, setting, forward, key, files)) for key, files in networks.items()
    ]


class _Forward:
    """The network of a lottery, made at its first use, and what it reads.

    Args:
        directory: of one of the trained networks.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made: tuple[nn.Module, Tensor] | None = None

    def __call__(self) -> tuple[nn.Module, Tensor]:
        """The module that was trained, in evaluation mode, and inputs from its test set."""
        if self._made is None:
            model, data = make_network(self._directory)
            data.prepare_data()
            data.setup("test")
            loaders: Any = data.test_dataloader()
            batch: Any = next(iter(loaders[0] if isinstance(loaders, list | tuple) else loaders))
            inputs = batch[0] if isinstance(batch, list | tuple) else batch
            if not isinstance(inputs, Tensor):
                raise UserError(
                    f"{type(data).__name__}: its batches do not begin with a tensor; name a lottery whose batches do"
                )
            # A text is (time, batch), and as long as its windows are; a classifier would choose code of its own.
            self._made = (model, inputs) if inputs.dtype in INTEGERS else (_net_of(model), inputs[:EXAMPLES])
            model.eval()
        return self._made


def _net_of(model: nn.Module) -> nn.Module:
    net = getattr(model, "net", None)
    return net if isinstance(net, nn.Module) else model


def _measured(setting: Setting, forward: _Forward, key: NetworkKey, files: TrainingLayout) -> list[BenchRow]:
    made, inputs = forward()
    ticket = ticket_of(files.root, "final")
    prefix = "" if set(ticket.masks) <= {name for name, _ in made.named_parameters()} else "net."
    state = {name.removeprefix(prefix): value for name, value in ticket.state.items()}
    masks = {name.removeprefix(prefix): mask for name, mask in ticket.masks.items()}
    dense = copy.deepcopy(made)
    rewind(dense, state, masks)
    sparse = copy.deepcopy(dense)
    sparsify(sparse, masks)
    with torch.inference_mode():
        contestants = {name: timed(_pass(net, inputs)) for name, net in (("sparse", sparse), ("dense", dense))}
        times = take_turns(contestants, seconds=SECONDS, tick=setting.tick)
    return [_row(key.round, ticket, times["sparse"], times["dense"])]


def _pass(net: nn.Module, inputs: Tensor) -> Callable[[], object]:
    return lambda: net(inputs)


def _row(round_: int, ticket: Ticket, sparse: Sequence[float], dense: Sequence[float]) -> TicketRow:
    data = pack(ticket.masks, ticket.state)
    stored = safetensors.torch.load(data)
    rest = sum(value.nbytes for name, value in stored.items() if not name.startswith(OURS))
    kept = {name: int(mask.sum()) for name, mask in ticket.masks.items()}
    weights = sum(mask.numel() for mask in ticket.masks.values())
    size = {name: ticket.state[name].element_size() for name in kept}
    limit = math.fsum(least_bits(ticket.masks[name].numel(), count) for name, count in kept.items()) / 8
    return TicketRow(
        round=round_,
        density=sum(kept.values()) / weights,
        limit=limit,
        masks=stored[CODES].nbytes,
        bits=-(-weights // 8),
        least=limit + rest + sum(count * size[name] for name, count in kept.items()),
        file=len(data),
        dense=rest + sum(mask.numel() * size[name] for name, mask in ticket.masks.items()),
        sparse_seconds=sparse,
        dense_seconds=dense,
    )
