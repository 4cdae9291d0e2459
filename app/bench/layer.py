"""One ON-LSTM layer against `nn.LSTM`, which computes less but is highly optimised."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn

from app.bench.figures import Goal
from app.bench.machine import has_bf16_products
from app.bench.rows import BenchRow, Comparison, Note
from app.bench.sizes import LayerSize
from app.bench.tasks import BenchSection, Setting, Task
from app.bench.timing import Contestant, take_turns, timed
from app.nets import ONLSTM

# Layers with at least this many units have a goal of their own.
WIDE = 1000
GOAL_NARROW, GOAL_WIDE, GOAL_BF16 = Goal(1.5), Goal(1.15), Goal(1.0)

Context = Callable[[], AbstractContextManager[object]]


def training_step(net: nn.Module, x: Tensor, d_output: Tensor, context: Context = nullcontext) -> Callable[[], None]:
    """A function that runs forward and backward, always with the same gradient of the output.

    Args:
        net: its first output has the shape of `d_output`.
        x: (T, B, features); its gradient is computed, too.
        d_output: (T, B, H).
        context: of the forward pass.
    """

    leaves = [x, *net.parameters()]

    def step() -> None:
        for leaf in leaves:
            leaf.grad = None
        with context():
            output = net(x)[0]
        output.backward(d_output)

    return step


def reading(net: nn.Module, x: Tensor) -> Callable[[], None]:
    """A function that runs the forward pass alone, without gradients."""

    def read() -> None:
        with torch.no_grad():
            net(x)

    return read


def tasks(setting: Setting) -> list[Task]:
    """For each size: training step, forward pass, eager step, mixed precision."""
    layers, seconds = setting.sizes.layers, setting.sizes.layer_seconds
    kinds = {"step": _step, "reading": _reading, "eager step": _eager_step, "bf16-mixed step": _bf16_step}
    on_cpu = [
        Task(f"{kind} {size}", seconds, partial(measure, setting, size))
        for kind, measure in kinds.items()
        for size in layers
        if measure is not _bf16_step or has_bf16_products()
    ]
    if not has_bf16_products():
        on_cpu.append(_noted("bf16-mixed: not here, this processor has no bf16 products"))
    return on_cpu


SECTION = BenchSection("layer", "ON-LSTM layer against nn.LSTM; T x B, features -> units", tasks)


def _noted(sentence: str) -> Task:
    return Task(sentence, 0, lambda: [Note(sentence)])


def _nets(setting: Setting, size: LayerSize) -> tuple[ONLSTM, nn.LSTM, Tensor, Tensor]:
    """Our layer, torch's layer, an input, and a gradient of the output."""
    torch.manual_seed(setting.seed)
    ours, its = ONLSTM(size.features, [size.hidden]), nn.LSTM(size.features, size.hidden)
    x = torch.randn(size.time, size.batch, size.features, requires_grad=True)
    d_output = torch.randn(size.time, size.batch, size.hidden) / size.time
    return ours, its, x, d_output


def _row(
    setting: Setting, what: str, goal: Goal | None, ours: Callable[[], None], reference: Callable[[], None]
) -> list[BenchRow]:
    return _compared(setting, what, goal, timed(ours), timed(reference))


def _compared(
    setting: Setting, what: str, goal: Goal | None, ours: Contestant, reference: Contestant
) -> list[BenchRow]:
    contestants = {"ours": ours, "reference": reference}
    times = take_turns(contestants, seconds=setting.sizes.layer_seconds, tick=setting.tick)
    return [Comparison(what=what, ours=times["ours"], reference=times["reference"], goal=goal)]


def _goal(size: LayerSize) -> Goal:
    return GOAL_WIDE if size.hidden >= WIDE else GOAL_NARROW


def _step(setting: Setting, size: LayerSize) -> Sequence[BenchRow]:
    ours, its, x, d_output = _nets(setting, size)
    return _row(
        setting,
        f"training step {size}",
        _goal(size),
        training_step(ours, x, d_output),
        training_step(its, x, d_output),
    )


def _reading(setting: Setting, size: LayerSize) -> Sequence[BenchRow]:
    ours, its, x, _ = _nets(setting, size)
    return _row(setting, f"forward alone {size}", _goal(size), reading(ours, x), reading(its, x))


def _eager_step(setting: Setting, size: LayerSize) -> Sequence[BenchRow]:
    ours, its, x, d_output = _nets(setting, size)
    ours.implementation = "eager"
    return _row(
        setting, f"eager training step {size}", None, training_step(ours, x, d_output), training_step(its, x, d_output)
    )


def _bf16_step(setting: Setting, size: LayerSize) -> Sequence[BenchRow]:
    ours, its, x, d_output = _nets(setting, size)
    mixed = partial(torch.autocast, "cpu", torch.bfloat16)
    return _row(
        setting,
        f"bf16-mixed step {size}",
        GOAL_BF16,
        training_step(ours, x, d_output, mixed),
        training_step(its, x, d_output),
    )
