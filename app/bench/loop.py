"""The lottery's training loop against a reference loop, and its evaluation against a forward pass."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, Optimizer

from app.bench.figures import Goal
from app.bench.lottery import THREADS, LotteryLoop, bench_cli, loggers
from app.bench.noise import Noise, noise
from app.bench.reference_loop import ReferenceLoop, forward_alone
from app.bench.rows import BenchRow, Comparison
from app.bench.tasks import BenchSection, Setting, Task
from app.bench.timing import Contestant, take_turns
from app.bench.timing_callbacks import EvaluationTimes
from app.common.prunable import prunable_parameters
from app.common.seeds import derive_seed, generator, seeded
from app.modules import Classifier
from app.nets import LeNet
from app.pruning import Masks

LEARNING_RATE, SGD_LEARNING_RATE = 1.2e-3, 0.1
DENSITY = 0.2
NET = "net."  # prefix of the names of a network's parameters in a Classifier
GOAL_LOOP, GOAL_EVALUATION = Goal(1.5, at_least=True), Goal(1.1)
ADAM = f"--model.optimizer torch.optim.Adam --model.optimizer.lr {LEARNING_RATE}"
# Options of the model, and the same optimiser for the reference loop. The lottery's configurations have fused Adam.
FUSED_ADAM = "fused Adam"
OPTIMIZERS: dict[str, tuple[str, Callable[[Any], Optimizer]]] = {
    FUSED_ADAM: (f"{ADAM} --model.optimizer.fused true", partial(Adam, lr=LEARNING_RATE, fused=True)),
    "SGD": (
        f"--model.optimizer torch.optim.SGD --model.optimizer.lr {SGD_LEARNING_RATE}",
        partial(SGD, lr=SGD_LEARNING_RATE),
    ),
    "Adam": (ADAM, partial(Adam, lr=LEARNING_RATE)),
}
WITH_GOAL = (FUSED_ADAM, "SGD")
SECONDS_EVALUATION = 6.0
SECONDS_AROUND = 5.0  # to make the images, the command line and the loggers


def starting_point(seed: int, density: float = DENSITY) -> tuple[dict[str, Tensor], Masks]:
    """Initial weights of a LeNet classifier, and random masks that keep a share of them."""
    with seeded(seed):
        model = Classifier(LeNet())
    start = {name: value.detach().clone() for name, value in model.state_dict().items()}
    names = prunable_parameters(model)
    random = generator(seed)
    return start, {name: torch.rand(start[name].shape, generator=random) < density for name in names}


def tasks(setting: Setting) -> list[Task]:
    """All loops, which take turns; then the evaluation."""
    seconds = setting.sizes.loop_seconds
    loops = Task("lottery loop", seconds + SECONDS_AROUND, partial(_loops, setting))
    return [loops, Task("evaluation", SECONDS_EVALUATION + SECONDS_AROUND, partial(_evaluation, setting))]


SECTION = BenchSection(
    "loop", "Lottery: LeNet, masks at 20 %, batch 60, one thread; against a reference loop, same optimiser", tasks
)


def reference_loop(setting: Setting, data: Noise, optimizer: str) -> ReferenceLoop:
    """The loop that the lottery's loop is compared with.

    Args:
        setting: gives its length.
        data: seeded like the lottery's.
        optimizer: of `OPTIMIZERS`.
    """
    start, masks = starting_point(setting.seed)
    return ReferenceLoop(
        LeNet(),
        {name.removeprefix(NET): value for name, value in start.items()},
        {name.removeprefix(NET): mask for name, mask in masks.items()},
        OPTIMIZERS[optimizer][1],
        data.train_dataloader(),
        data.val_dataloader(),
        iterations=setting.sizes.iterations,
        eval_every=setting.sizes.eval_every,
    )


def lottery_data(setting: Setting) -> Noise:
    """Noise images, split and ordered as in the lottery's first replicate."""
    data = noise(setting.sizes.images)
    data.reseed(split=derive_seed(setting.seed, 0, "split"), order=derive_seed(setting.seed, 0, "order"))
    return data


def _loops(setting: Setting) -> Sequence[BenchRow]:
    sizes, data = setting.sizes, lottery_data(setting)
    start, masks = starting_point(setting.seed)
    with tempfile.TemporaryDirectory() as folder, _one_thread():
        root = Path(folder)
        made = {name: bench_cli(model, eval_every=sizes.eval_every) for name, (model, _) in OPTIMIZERS.items()}
        with loggers(made[FUSED_ADAM], data, root, iterations=sizes.iterations, seed=setting.seed) as logging:
            ours = {
                name: LotteryLoop(
                    made[name],
                    data,
                    start,
                    masks,
                    iterations=sizes.iterations,
                    root=root / name.replace(" ", "_"),
                    seed=setting.seed,
                    loggers=logging,
                )
                for name in OPTIMIZERS
            }
            contestants: dict[str, Contestant] = dict(ours)
            contestants |= {_its(name): reference_loop(setting, data, name) for name in OPTIMIZERS}
            times = take_turns(contestants, seconds=sizes.loop_seconds, tick=setting.tick)
    rows = [
        Comparison(
            what=name,
            ours=times[name],
            reference=times[_its(name)],
            goal=GOAL_LOOP if name in WITH_GOAL else None,
            count=sizes.iterations,
            unit="it/s",
        )
        for name in OPTIMIZERS
    ]
    return [*rows, Comparison(what="around the iterations, per network", ours=ours[FUSED_ADAM].around[1:])]


def _its(name: str) -> str:
    return f"reference {name}"


def _evaluation(setting: Setting) -> Sequence[BenchRow]:
    """Evaluate after every iteration, and run the forward pass alone after each evaluation."""
    start, masks = starting_point(setting.seed)
    data = lottery_data(setting)
    with tempfile.TemporaryDirectory() as folder, _one_thread():
        root = Path(folder)
        made = bench_cli(OPTIMIZERS[FUSED_ADAM][0], eval_every=1)
        watch = EvaluationTimes(lambda: forward_alone(made.model.net, data.val_dataloader()), setting.tick)
        iterations = setting.sizes.evaluations + 2  # a warm-up first; no iteration follows the last
        with loggers(made, data, root, iterations=iterations, seed=setting.seed) as logging:
            LotteryLoop(
                made,
                data,
                start,
                masks,
                iterations=iterations,
                root=root,
                seed=setting.seed,
                loggers=logging,
                first=[watch],
            )()
    images = setting.sizes.images.val + setting.sizes.images.test
    return [
        Comparison(
            what=f"evaluation, {images:,} images; forward",
            ours=watch.ours[1:],
            reference=watch.others[1:],
            goal=GOAL_EVALUATION,
        )
    ]


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
