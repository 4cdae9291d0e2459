"""Differences between the results of the fused layer and those of the eager reference."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor

from app.bench.figures import Goal
from app.bench.layer import Context
from app.bench.rows import BenchRow, Difference
from app.bench.sizes import LayerSize
from app.bench.tasks import BenchSection, Setting, Task
from app.nets import ONLSTM, RecurrentNet

MIXED: Context = partial(torch.autocast, "cpu", torch.bfloat16)
# Precision of the tensors, context of the forward pass, goal for the outputs, goal for the gradients.
PRECISIONS: dict[str, tuple[torch.dtype, Context, float, float]] = {
    "float64": (torch.float64, nullcontext, 1e-10, 1e-10),
    "float32": (torch.float32, nullcontext, 2e-6, 1e-5),
    "bf16-mixed": (torch.float32, MIXED, 1e-2, 2e-2),
}
SECONDS = 3.0

# The outputs, the last cells and the distances; the gradients of the input and of every parameter.
Results = tuple[list[Tensor], list[Tensor]]


def results(net: RecurrentNet, x: Tensor, d_output: Tensor, context: Context = nullcontext) -> Results:
    """All outputs and gradients of a layer.

    Args:
        net: a layer.
        x: (T, B, features).
        d_output: (T, B, H), the gradient of the outputs.
        context: of the forward pass.

    Returns:
        Outputs, last cells, distances; gradients of the input and of all parameters.
    """
    x = x.detach().requires_grad_()
    with context():
        output, (_, cells), distances = net(x)
    gradients = torch.autograd.grad([output, cells[0].sum()], [x, *net.parameters()], [d_output.to(output), None])
    return [output.detach(), cells[0].detach(), distances], list(gradients)


def differences(found: Results, right: Results) -> tuple[float, float]:
    """The largest difference of an output, and the largest of a gradient relative to its norm; nan if any is nan.

    Args:
        found: the results to check.
        right: the reference results.
    """
    of_outputs = _largest(found[0], right[0], lambda mine, its: (mine - its).abs().max())
    of_gradients = _largest(found[1], right[1], lambda mine, its: (mine - its).norm() / its.norm())
    return of_outputs, of_gradients


def _largest(found: list[Tensor], right: list[Tensor], measure: Callable[[Tensor, Tensor], Tensor]) -> float:
    pairs = zip(found, right, strict=True)
    return torch.stack([measure(mine.double(), its.double()) for mine, its in pairs]).max().item()


def tasks(setting: Setting) -> list[Task]:
    """All precisions at every size."""
    return [Task(f"equality {size}", SECONDS, partial(_measure, setting, size)) for size in setting.sizes.equal_layers]


SECTION = BenchSection("equality", "Largest difference between the fused layer and the eager one in float64", tasks)


def _measure(setting: Setting, size: LayerSize) -> Sequence[BenchRow]:
    torch.manual_seed(setting.seed)
    net = ONLSTM(size.features, [size.hidden])
    x = torch.randn(size.time, size.batch, size.features)
    d_output = torch.randn(size.time, size.batch, size.hidden) / size.time
    net.double().implementation = "eager"
    right = results(net, x.double(), d_output.double())
    net.implementation = "fused"
    rows = []
    for name, (precision, context, of_outputs, of_gradients) in PRECISIONS.items():
        found = results(net.to(precision), x.to(precision), d_output.to(precision), context)
        outputs, gradients = differences(found, right)
        goals = {"goal_outputs": Goal(of_outputs), "goal_gradients": Goal(of_gradients)}
        rows.append(Difference(what=f"{name} {size}", outputs=outputs, gradients=gradients, **goals))
        setting.tick()
    return rows
