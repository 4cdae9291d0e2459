"""Sparse layers against the dense ones of the same masked weights: how many times as fast, by density."""

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from app.bench.figures import Goal
from app.bench.rows import BenchRow, Comparison
from app.bench.sizes import LayerSize
from app.bench.tasks import BenchSection, Setting, Task
from app.bench.timing import take_turns, timed
from app.nets import ONLSTM, Conv2, LeNet, sparsify
from app.plotting.canvas import render
from app.plotting.speeds import speeds_figure

DENSITIES = (0.5, 0.2, 0.1, 0.036, 0.01)
# Shares of the surviving weights that are removed in a round, as in configs/lottery: layers of a network at a density
# have the densities of its tickets.
RATES = {"fc": 0.2, "conv": 0.1, "output": 0.1}

Made = tuple[nn.Module, Tensor]


@dataclass(frozen=True, kw_only=True)
class Contest:
    """What is measured at several densities.

    Args:
        name: of it.
        make: makes the network, and its input, which has a gradient where a training step is measured; else it is the
            forward pass in evaluation.
        goals: how many times as fast it is to be, by density.
        densities: of its weights, from the highest on.
    """

    name: str
    make: Callable[[], Made]
    goals: Mapping[float, float]
    densities: Sequence[float] = DENSITIES


def contests(size: LayerSize) -> list[Contest]:
    """Layers and networks; a recurrent one of this size."""
    return [
        Contest(
            name="300x784, batch 60, inference",
            make=lambda: (nn.Linear(784, 300), torch.randn(60, 784)),
            goals={0.1: 4, 0.036: 9},
        ),
        Contest(
            name="300x784, batch 1, inference",
            make=lambda: (nn.Linear(784, 300), torch.randn(1, 784)),
            goals={0.1: 1.5, 0.036: 3},
        ),
        Contest(
            name="300x784, batch 60, step",
            make=lambda: (nn.Linear(784, 300), torch.randn(60, 784, requires_grad=True)),
            goals={},
        ),
        Contest(
            name="3x3 64→64, 8x32x32, step",
            make=lambda: (nn.Conv2d(64, 64, 3, padding=1), torch.randn(8, 64, 32, 32, requires_grad=True)),
            goals={},
        ),
        Contest(
            name=f"ON-LSTM {size}, step",
            make=lambda: (
                ONLSTM(size.features, [size.hidden]),
                torch.randn(size.time, size.batch, size.features, requires_grad=True),
            ),
            goals={0.2: 2, 0.1: 3.5, 0.036: 6},
        ),
        Contest(
            name="LeNet, batch 60, inference",
            make=lambda: (LeNet(), torch.randn(60, 784)),
            goals={0.036: 4},
        ),
        Contest(
            name="Conv-2, batch 60, inference",
            make=lambda: (Conv2(), torch.randn(60, 3, 32, 32)),
            goals={0.05: 2},
            densities=(0.5, 0.2, 0.1, 0.05, 0.02),
        ),
    ]


@dataclass(frozen=True, slots=True)
class Speeds:
    """How many times as fast sparse is, at all densities, and from which on it is faster.

    Args:
        name: what was measured.
        speeds: by density, from the highest on.
    """

    headings: ClassVar[tuple[str, ...]] = ("",)

    name: str
    speeds: Mapping[float, float]

    @property
    def break_even(self) -> float | None:
        """The density below which sparse is faster; None if there is none among these."""
        return break_even(self.speeds)

    def cells(self) -> tuple[str, ...]:
        """The break-even density in words."""
        return (f"{self.name}: {told(self.speeds)}",)

    def plain(self) -> dict[str, Any]:
        """The speeds by density, and the break-even density."""
        speeds = {f"{density:g}": speed for density, speed in self.speeds.items()}
        return {"what": self.name, "times_as_fast": speeds, "break_even": self.break_even}


def drawn(rows: Iterable[BenchRow], kind: str) -> bytes:
    """A picture of all speeds against density.

    Args:
        rows: of this section.
        kind: "svg", "png" or "pdf".
    """
    found = {row.name: row for row in rows if isinstance(row, Speeds)}
    speeds = {name: row.speeds for name, row in found.items()}
    return render(speeds_figure(speeds, {name: row.break_even for name, row in found.items()}), kind)


def tasks(setting: Setting) -> list[Task]:
    """For each layer or network: all densities, and the one below which sparse is faster."""
    seconds = setting.sizes.sparse_seconds
    return [
        Task(each.name, seconds * len(each.densities), partial(measure, setting, each))
        for each in contests(setting.sizes.sparse)
    ]


SECTION = BenchSection(
    "sparse", "Masked layers on their surviving weights, against dense ones; weights that survive", tasks
)


def measure(setting: Setting, contest: Contest) -> Sequence[BenchRow]:
    """A row for each density, and the break-even density."""
    torch.manual_seed(setting.seed)
    dense, x = contest.make()
    dense.train(x.requires_grad)
    original = copy.deepcopy(dense.state_dict())
    rows, speeds = list[BenchRow](), dict[float, float]()
    for density in contest.densities:
        dense.load_state_dict(original)
        masks = masks_of(dense, density)
        sparse = copy.deepcopy(dense)
        sparsify(sparse, masks)
        contestants = {"ours": timed(_work(sparse, x)), "reference": timed(_work(dense, x))}
        with torch.inference_mode(mode=not x.requires_grad):
            times = take_turns(contestants, seconds=setting.sizes.sparse_seconds, tick=setting.tick)
        goal = contest.goals.get(density)
        row = Comparison(
            what=f"{contest.name}, {100 * density:g} %",
            ours=times["ours"],
            reference=times["reference"],
            goal=None if goal is None else Goal(goal, at_least=True),
            count=1,
            unit="/s",
        )
        rows.append(row)
        assert row.ratio is not None
        speeds[density] = row.ratio.median
    return [*rows, Speeds(contest.name, speeds)]


def masks_of(net: nn.Module, density: float) -> dict[str, Tensor]:
    """Random masks with so many of all weights, applied to them; layers of a network have those of its tickets."""
    weights = {name: weight for name, weight in net.named_parameters() if weight.ndim >= 2}
    kinds = net.prunable_parameters() if isinstance(net, LeNet | Conv2) else dict.fromkeys(weights, "fc")
    sizes = {name: weight.numel() for name, weight in weights.items()}
    shares = _shares(sizes, kinds, density)
    masks = {}
    with torch.no_grad():
        for name, weight in weights.items():
            mask = torch.zeros(weight.numel(), dtype=torch.bool)
            mask[torch.randperm(len(mask))[: round(shares[name] * len(mask))]] = True
            masks[name] = mask.view_as(weight)
            weight.mul_(masks[name])
    return masks


def _shares(sizes: Mapping[str, int], kinds: Mapping[str, str], density: float) -> dict[str, float]:
    """What each tensor keeps after as many rounds, a fraction among them, as leave this share of all weights."""
    fewest, most = 0.0, 1000.0
    while True:
        rounds = (fewest + most) / 2
        shares = {name: (1 - RATES[kinds[name]]) ** rounds for name in sizes}
        left = sum(share * sizes[name] for name, share in shares.items()) / sum(sizes.values())
        if math.isclose(left, density, rel_tol=1e-6):
            return shares
        fewest, most = (rounds, most) if left > density else (fewest, rounds)


def told(speeds: Mapping[float, float]) -> str:
    """The break-even density in words.

    Args:
        speeds: how many times as fast sparse is, by density, from the highest on.
    """
    if min(speeds.values()) > 1:
        return f"sparse is faster at all of these densities, from {100 * max(speeds):g} % on"
    point = break_even(speeds)
    return (
        "dense is faster at the lowest of these densities"
        if point is None
        else f"sparse is faster below {100 * point:.2g} %"
    )


def break_even(speeds: Mapping[float, float]) -> float | None:
    """The density below which sparse is faster, between two measured ones in proportion of logarithms; None if none.

    Args:
        speeds: how many times as fast sparse is, by density, from the highest on.
    """
    for (high, slow), (low, fast) in pairwise(sorted(speeds.items(), reverse=True)):
        if slow <= 1 < fast:
            share = math.log(fast) / (math.log(fast) - math.log(slow))
            return math.exp(math.log(low) + share * math.log(high / low))
    return None


def _work(net: nn.Module, x: Tensor) -> Callable[[], object]:
    return _step(net, x) if x.requires_grad else _reading(net, x)


def _reading(net: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    return lambda: net(x)


def _step(net: nn.Module, x: Tensor) -> Callable[[], None]:
    leaves = [x, *net.parameters()]
    with torch.no_grad():
        d_output = torch.randn_like(_output(net(x)))

    def step() -> None:
        for leaf in leaves:
            leaf.grad = None
        torch.autograd.backward(_output(net(x)), d_output)

    return step


def _output(found: Tensor | tuple[Tensor, ...]) -> Tensor:
    return found if isinstance(found, Tensor) else found[0]
