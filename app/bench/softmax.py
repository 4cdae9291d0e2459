"""The softmax and loss in blocks of rows, against linear and cross_entropy."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from app.bench.rows import BenchRow, Comparison
from app.bench.tasks import BenchSection, Setting, Task
from app.bench.timing import take_turns, timed
from app.nets.softmax import softmax_loss

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def plain_loss(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Same as `softmax_loss`, by torch's own functions."""
    return F.cross_entropy(F.linear(hidden, weight, bias), targets)


def tasks(setting: Setting) -> list[Task]:
    """Forward and backward of the loss alone, for every number of features."""
    seconds, sizes = setting.sizes.softmax_seconds, setting.sizes.softmax
    return [Task(f"softmax {features}", seconds, partial(_measure, setting, features)) for features in sizes]


SECTION = BenchSection("softmax", "Softmax and loss, forward and backward, against linear and cross_entropy", tasks)


def _measure(setting: Setting, features: int) -> Sequence[BenchRow]:
    sizes = setting.sizes
    torch.manual_seed(setting.seed)
    hidden = torch.randn(sizes.predictions, features, requires_grad=True)
    weight = torch.empty(sizes.words, features).uniform_(-0.1, 0.1).requires_grad_()
    bias = torch.zeros(sizes.words, requires_grad=True)
    targets = torch.randint(sizes.words, (sizes.predictions,))

    def step(loss: Loss) -> None:
        for leaf in (hidden, weight, bias):
            leaf.grad = None
        loss(hidden, weight, bias, targets).backward()  # type: ignore[no-untyped-call]

    contestants = {"ours": timed(partial(step, softmax_loss)), "reference": timed(partial(step, plain_loss))}
    times = take_turns(contestants, seconds=sizes.softmax_seconds, tick=setting.tick)
    return [
        Comparison(
            what=f"{sizes.predictions:,}x{features}, {sizes.words:,} words",
            ours=times["ours"],
            reference=times["reference"],
        )
    ]
