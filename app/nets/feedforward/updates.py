"""torch's optimisers within a step of the compiled library, where that has the same bits."""

import copy
import functools
import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from typing_extensions import override

from app.nets.feedforward import native
from app.nets.feedforward.native import GRADIENTS, Network, Pair, Rule

# Optimisers that treat every weight by itself, so that masked weights stay 0 where gradient and state are 0.
BY_ELEMENT = (SGD, Adam, AdamW)
TRIAL_STEPS, TRIAL_BATCH = 8, 7


class Update:
    """An optimiser with one group of parameters, those of the layers.

    Args:
        optimizer: with the state of a first step.
        layers: in order.

    Attributes:
        first: its first state of every layer, if it has any.
        second: its second.
    """

    first: list[Pair] | None = None
    second: list[Pair] | None = None

    def __init__(self, optimizer: Optimizer, layers: Sequence[nn.Linear]) -> None:
        self.optimizer = optimizer
        self.group = optimizer.param_groups[0]
        self.layers = layers
        self._parameters = [Pair(each.weight, each.bias) for each in layers]

    def states(self, name: str) -> list[Pair]:
        """A state of every layer."""
        return [Pair(*(self.optimizer.state[each][name] for each in pair)) for pair in self._parameters]

    def begin(self) -> None:
        """Prepare for steps between which no other code uses the optimiser."""

    def rule(self) -> Rule:
        """The rule of the next step."""
        raise NotImplementedError

    def count(self) -> None:
        """A step is done."""

    def end(self) -> None:
        """The steps are done: write into the optimiser what it does not have yet."""


class _SGD(Update):
    def __init__(self, optimizer: Optimizer, layers: Sequence[nn.Linear]) -> None:
        super().__init__(optimizer, layers)
        if self.group["momentum"] != 0:
            self.first = self.states("momentum_buffer")

    @override
    def rule(self) -> Rule:
        group = self.group
        return Rule(
            kind=native.SGD,
            rate=group["lr"],
            decay=group["weight_decay"],
            momentum=group["momentum"],
            fused=bool(group["fused"]),
            damped=1 - group["dampening"],
            nesterov=group["nesterov"],
        )


class _FusedAdam(Update):
    def __init__(self, optimizer: Optimizer, layers: Sequence[nn.Linear]) -> None:
        super().__init__(optimizer, layers)
        self.first, self.second = self.states("exp_avg"), self.states("exp_avg_sq")
        self._done = 0

    @override
    def begin(self) -> None:
        counts = {int(state["step"]) for state in self.optimizer.state.values()}
        (self._done,) = counts

    @override
    def rule(self) -> Rule:
        group = self.group
        beta1, beta2 = group["betas"]
        count = self._done + 1
        return Rule(
            kind=native.ADAMW if group.get("decoupled_weight_decay", False) else native.ADAM,
            fused=1,
            rate=group["lr"],
            decay=group["weight_decay"],
            beta1_rest=1 - beta1,
            beta2=beta2,
            beta2_rest=1 - beta2,
            eps=group["eps"],
            step_size=group["lr"] / (1 - beta1**count),
            root_correction=math.sqrt(1 - beta2**count),
        )

    @override
    def count(self) -> None:
        self._done += 1

    @override
    def end(self) -> None:
        for state in self.optimizer.state.values():
            state["step"].fill_(self._done)


def update_of(optimizer: Optimizer, layers: Sequence[nn.Linear]) -> Update | None:
    """An optimiser within the steps of the compiled library; None if it has to do its own.

    It is tried first on another network: results have to be the same to the bit.

    Args:
        optimizer: with the state of a first step.
        layers: whose parameters it trains.
    """
    kind = _kind(optimizer, layers)
    if kind is None:
        return None
    options = {name: value for name, value in optimizer.param_groups[0].items() if name not in ("params", "initial_lr")}
    if not all(isinstance(value, Hashable) for value in options.values()):
        return None
    values = tuple(sorted(options.items()))
    if not _is_same(kind, type(optimizer), values, layers[0].weight.dtype):  # type: ignore[arg-type]
        return None
    return kind(optimizer, layers)


def _kind(optimizer: Optimizer, layers: Sequence[nn.Linear]) -> type[Update] | None:
    wanted = {id(parameter) for each in layers for parameter in each.parameters()}
    if len(optimizer.param_groups) != 1 or {id(each) for each in optimizer.param_groups[0]["params"]} != wanted:
        return None
    group = optimizer.param_groups[0]
    plain = isinstance(group["lr"], float) and not any(
        group.get(name) for name in ("maximize", "amsgrad", "differentiable", "capturable")
    )
    states = list(optimizer.state.values())
    if type(optimizer) is SGD and plain:
        ready = len(states) == len(wanted) and all(state.get("momentum_buffer") is not None for state in states)
        return _SGD if group["momentum"] == 0 or ready else None
    if type(optimizer) in (Adam, AdamW) and plain and group["fused"]:
        counts = {float(state["step"]) for state in states if "step" in state}
        return _FusedAdam if len(states) == len(wanted) and len(counts) == 1 else None
    return None


@functools.cache
def _is_same(
    kind: type[Update], optimizer: Callable[..., Optimizer], options: tuple[Any, ...], precision: torch.dtype
) -> bool:
    """Whether some steps of a small network have the same bits with torch's optimiser and without."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = [nn.Linear(303, 201, dtype=precision), nn.Linear(201, 5, dtype=precision)]
        images = torch.randn(TRIAL_STEPS, TRIAL_BATCH, 303, dtype=precision)
        labels = torch.randint(5, (TRIAL_STEPS, TRIAL_BATCH))
    ours = copy.deepcopy(theirs)
    its, mine = (optimizer([p for each in layers for p in each.parameters()], lr=0.1) for layers in (theirs, ours))
    for each in (its, mine):
        each.param_groups[0].update(dict(options))
    _step(its, theirs, images[0], labels[0])  # the first step is the optimiser's own
    for one, other in zip(ours, theirs, strict=True):
        one.load_state_dict(other.state_dict())
    mine.load_state_dict(copy.deepcopy(its.state_dict()))
    update = kind(mine, ours)
    update.begin()
    for batch in zip(images[1:], labels[1:], strict=True):
        _step(its, theirs, *batch)
        network_of(update, ours).step(*batch, update.rule())
        update.count()
    update.end()
    pairs = [(one.state_dict(), other.state_dict()) for one, other in zip(theirs, ours, strict=True)]
    pairs += zip(its.state.values(), mine.state.values(), strict=True)
    tensors = ((one[name], other[name]) for one, other in pairs for name in one if isinstance(one[name], Tensor))
    return all(torch.equal(one, other) for one, other in tensors)


def _step(optimizer: Optimizer, layers: Sequence[nn.Linear], images: Tensor, labels: Tensor) -> None:
    """A step of torch's own."""
    gradients = [Pair(torch.empty_like(each.weight), torch.empty_like(each.bias)) for each in layers]
    Network(layers, gradients=gradients).step(images, labels, Rule(kind=GRADIENTS))
    for layer, pair in zip(layers, gradients, strict=True):
        layer.weight.grad, layer.bias.grad = pair
    optimizer.step()


def network_of(update: Update, layers: Sequence[nn.Linear], masks: dict[int, Tensor] | None = None) -> Network:
    """A network whose steps are an optimiser's.

    Args:
        update: the optimiser.
        layers: of the network.
        masks: as `Network` takes them.
    """
    return Network(layers, masks=masks, first=update.first, second=update.second)
