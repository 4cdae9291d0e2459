"""One ON-LSTM layer against `nn.LSTM`, which computes less but has been tuned for years."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn

from app.bench.figures import Goal
from app.bench.machine import has_bf16_products
from app.bench.rows import Comparison, Note, Row
from app.bench.sizes import LayerSize
from app.bench.tasks import Section, Setting, Task
from app.bench.timing import Contestant, take_turns, timed
from app.nets import ONLSTM

# Below and from this many units on.
WIDE = 1000
GOAL_NARROW, GOAL_WIDE, GOAL_BF16 = Goal(1.5), Goal(1.15), Goal(1.0)

Context = Callable[[], AbstractContextManager[object]]


def training_step(net: nn.Module, x: Tensor, d_output: Tensor, context: Context = nullcontext) -> Callable[[], None]:
    """Forward and backward from the same gradient every time.

    Args:
        net: its first output has the shape of `d_output`.
        x: (T, B, features); it gets a gradient too.
        d_output: (T, B, H).
        context: what the way forward is in.
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
    """Forward alone."""

    def read() -> None:
        with torch.no_grad():
            net(x)

    return read


def tasks(setting: Setting) -> list[Task]:
    """Per size: a training step, reading, the eager reference, and mixed precision; a training step on a GPU."""
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
    if not torch.cuda.is_available():
        return [*on_cpu, _noted("no GPU here")]
    return [*on_cpu, *(Task(f"GPU step {size}", seconds, partial(_gpu_step, setting, size)) for size in layers)]


SECTION = Section("layer", "ON-LSTM layer against nn.LSTM; T x B, features -> units", tasks)


def _noted(sentence: str) -> Task:
    return Task(sentence, 0, lambda: [Note(sentence)])


def _nets(setting: Setting, size: LayerSize, device: str = "cpu") -> tuple[ONLSTM, nn.LSTM, Tensor, Tensor]:
    """Ours, torch's, an input, and a gradient of the output."""
    torch.manual_seed(setting.seed)
    ours, its = ONLSTM(size.features, [size.hidden]), nn.LSTM(size.features, size.hidden)
    x = torch.randn(size.time, size.batch, size.features, device=device, requires_grad=True)
    d_output = torch.randn(size.time, size.batch, size.hidden, device=device) / size.time
    return ours.to(device), its.to(device), x, d_output


def _row(
    setting: Setting, what: str, goal: Goal | None, ours: Callable[[], None], reference: Callable[[], None]
) -> list[Row]:
    return _compared(setting, what, goal, timed(ours), timed(reference))


def _compared(setting: Setting, what: str, goal: Goal | None, ours: Contestant, reference: Contestant) -> list[Row]:
    contestants = {"ours": ours, "reference": reference}
    times = take_turns(contestants, seconds=setting.sizes.layer_seconds, tick=setting.tick)
    return [Comparison(what=what, ours=times["ours"], reference=times["reference"], goal=goal)]


def _goal(size: LayerSize) -> Goal:
    return GOAL_WIDE if size.hidden >= WIDE else GOAL_NARROW


def _step(setting: Setting, size: LayerSize) -> Sequence[Row]:
    ours, its, x, d_output = _nets(setting, size)
    return _row(
        setting,
        f"training step {size}",
        _goal(size),
        training_step(ours, x, d_output),
        training_step(its, x, d_output),
    )


def _reading(setting: Setting, size: LayerSize) -> Sequence[Row]:
    ours, its, x, _ = _nets(setting, size)
    return _row(setting, f"forward alone {size}", _goal(size), reading(ours, x), reading(its, x))


def _eager_step(setting: Setting, size: LayerSize) -> Sequence[Row]:
    ours, its, x, d_output = _nets(setting, size)
    ours.implementation = "eager"
    return _row(
        setting, f"eager training step {size}", None, training_step(ours, x, d_output), training_step(its, x, d_output)
    )


def _bf16_step(setting: Setting, size: LayerSize) -> Sequence[Row]:
    ours, its, x, d_output = _nets(setting, size)
    mixed = partial(torch.autocast, "cpu", torch.bfloat16)
    return _row(
        setting,
        f"bf16-mixed step {size}",
        GOAL_BF16,
        training_step(ours, x, d_output, mixed),
        training_step(its, x, d_output),
    )


def _gpu_step(setting: Setting, size: LayerSize) -> Sequence[Row]:
    ours, its, x, d_output = _nets(setting, size, "cuda")
    contestants = [timed(training_step(net, x, d_output), wait=torch.cuda.synchronize) for net in (ours, its)]
    return _compared(setting, f"GPU training step, eager, {size}", None, *contestants)
