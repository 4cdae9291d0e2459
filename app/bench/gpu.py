"""What runs on a GPU: the recurrent layers against cuDNN and the eager layer, and a language model's epoch."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from app.bench import gpu_epoch
from app.bench.equality import differences, results
from app.bench.figures import Goal
from app.bench.gpu_epoch import waiting
from app.bench.layer import reading, training_step
from app.bench.rows import BenchRow, Comparison, Difference, Note
from app.bench.sizes import LayerSize
from app.bench.tasks import BenchSection, Setting, Task
from app.bench.timing import Contestant, take_turns, timed
from app.nets import LSTM, ONLSTM, RecurrentNet

# Precisions of the products, with the goals for the differences from float64: outputs, and gradients by their norm.
PRECISIONS = {"float32": 1e-5, "TF32": 1e-2, "bf16-mixed": 2e-2}
SIZES = tuple(
    LayerSize(70, batch, features, hidden)
    for batch in (20, 80)
    for features, hidden in ((400, 1150), (1150, 1150), (1150, 400))
)
# Shapes whose results are compared, with their chunk size: length, batch, units and chunk at their extremes.
SHAPES = (
    (LayerSize(1, 1, 20, 20), 20),
    (LayerSize(100, 128, 40, 60), 1),
    (LayerSize(35, 20, 60, 200), 10),
    (LayerSize(70, 20, 400, 1150), 10),
    (LayerSize(70, 80, 1150, 400), 10),
)
STEPS = 5  # of one measurement, so that launching and computing overlap as they do in a training
AGAINST_CUDNN, AGAINST_EAGER = Goal(1.3), Goal(1 / 8)
DEVICE = "cuda"
TURNED_OFF = "no GPU here; tests/nets/test_gpu_kernels.py compares the kernels in Triton's interpreter"


@contextmanager
def products(precision: str) -> Iterator[None]:
    """Compute products in one of `PRECISIONS`, ours and cuDNN's alike."""
    tf32 = "tf32" if precision == "TF32" else "ieee"
    backends: tuple[Any, ...] = torch.backends.cuda.matmul, torch.backends.cudnn.rnn
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = tf32
        with torch.autocast(DEVICE, torch.bfloat16, enabled=precision == "bf16-mixed"):
            yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.fp32_precision = value


def tasks(setting: Setting) -> list[Task]:
    """Differences, layers, the language model; a note where there is no GPU."""
    if not torch.cuda.is_available():
        return [Task("no GPU here", 0, lambda: [Note(TURNED_OFF)])]
    equal = [
        Task(f"equality on the GPU {size}", 1, partial(_equality, setting, *each))
        for each in SHAPES
        for size in each[:1]
    ]
    layers = [
        Task(f"{precision} {size} on the GPU", 2 * _seconds(setting), partial(_layer, setting, size, precision))
        for size in SIZES
        for precision in PRECISIONS
    ]
    eager = Task("eager layer on the GPU", 6 * _seconds(setting), partial(_against_eager, setting, SIZES[0]))
    return [*equal, *layers, eager, *gpu_epoch.tasks(setting)]


def _seconds(setting: Setting) -> float:
    """For one comparison: a GPU does more rounds in a second than a processor in ten."""
    return setting.sizes.layer_seconds / 6


SECTION = BenchSection("gpu", "On a GPU: layers and language model; T x B, features -> units", tasks)


def _equality(setting: Setting, size: LayerSize, chunk: int) -> Sequence[BenchRow]:
    """Differences of ONLSTM and LSTM from the eager layers in float64."""
    rows = []
    for name, net in (
        ("ONLSTM", ONLSTM(size.features, [size.hidden], chunk)),
        ("LSTM", LSTM(size.features, [size.hidden])),
    ):
        rows += _net_equality(setting, f"{name} {size}", net, size)
    return rows


def _net_equality(setting: Setting, what: str, net: RecurrentNet, size: LayerSize) -> list[BenchRow]:
    torch.manual_seed(setting.seed)
    net.reset_parameters()
    net.to(DEVICE)
    x = torch.randn(size.time, size.batch, size.features, device=DEVICE)
    d_output = torch.randn(size.time, size.batch, size.hidden, device=DEVICE) / size.time
    net.double().implementation = "eager"
    right = results(net, x.double(), d_output.double())
    net.float().implementation = "fused"
    rows: list[BenchRow] = []
    for precision, goal in PRECISIONS.items():
        with products(precision):
            outputs, gradients = differences(results(net, x, d_output), right)
        goals = {"goal_outputs": Goal(goal), "goal_gradients": Goal(goal)}
        rows.append(Difference(what=f"{precision} {what}", outputs=outputs, gradients=gradients, **goals))
    return rows


def _contestants(
    setting: Setting, size: LayerSize, nets: dict[str, nn.Module]
) -> tuple[dict[str, Contestant], dict[str, Contestant]]:
    """Training steps and forward passes of several nets; seconds of one."""
    torch.manual_seed(setting.seed)
    x = torch.randn(size.time, size.batch, size.features, device=DEVICE, requires_grad=True)
    d_output = torch.randn(size.time, size.batch, size.hidden, device=DEVICE) / size.time
    steps = {name: _mean(training_step(net.to(DEVICE), x, d_output)) for name, net in nets.items()}
    return steps, {name: _mean(reading(net, x)) for name, net in nets.items()}


def _mean(function: Callable[[], None]) -> Contestant:
    def several() -> None:
        for _ in range(STEPS):
            function()

    whole = timed(several, wait=waiting(DEVICE))
    return lambda: whole() / STEPS


def _layer(setting: Setting, size: LayerSize, precision: str) -> Sequence[BenchRow]:
    """A training step and a forward pass against cuDNN's LSTM in the same precision."""
    nets = {"ours": ONLSTM(size.features, [size.hidden]), "cuDNN": nn.LSTM(size.features, size.hidden)}
    rows: list[BenchRow] = []
    with products(precision):
        for kind, contestants in zip(("step", "forward alone"), _contestants(setting, size, nets), strict=True):
            times = take_turns(contestants, seconds=_seconds(setting), tick=setting.tick, warm_up=3)
            what = f"{precision} {kind} {size}"
            rows.append(Comparison(what=what, ours=times["ours"], reference=times["cuDNN"], goal=AGAINST_CUDNN))
    return rows


def _against_eager(setting: Setting, size: LayerSize) -> Sequence[BenchRow]:
    """A training step against our eager layer."""
    nets = {"ours": ONLSTM(size.features, [size.hidden]), "eager": ONLSTM(size.features, [size.hidden])}
    nets["eager"].implementation = "eager"
    rows: list[BenchRow] = []
    for precision in PRECISIONS:
        with products(precision):
            steps, _ = _contestants(setting, size, dict(nets))
            times = take_turns(steps, seconds=2 * _seconds(setting), tick=setting.tick, warm_up=2)
        what = f"{precision} step {size}, against the eager layer"
        rows.append(Comparison(what=what, ours=times["ours"], reference=times["eager"], goal=AGAINST_EAGER))
    return rows
