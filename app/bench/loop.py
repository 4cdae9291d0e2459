"""The lottery's training loop against a reference loop, and its evaluation against a forward pass."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import Adam

from app.bench.figures import Goal
from app.bench.lottery import THREADS, LotteryLoop, bench_cli, loggers
from app.bench.noise import Noise, noise
from app.bench.reference_loop import ReferenceLoop, forward_alone
from app.bench.rows import BenchRow, Comparison
from app.bench.tasks import BenchSection, Setting, Task
from app.bench.timing import Contestant, take_turns
from app.bench.timing_callbacks import EvaluationTimes
from app.common.protocols import prunable_parameters
from app.common.seeds import derive_seed, generator, seeded
from app.modules import Classifier
from app.nets import LeNet
from app.pruning import Masks

LEARNING_RATE = 1.2e-3
DENSITY = 0.2
NET = "net."  # prefix of the names of a network's parameters in a Classifier
GOAL_LOOP, GOAL_EVALUATION = Goal(0.95, at_least=True), Goal(1.2)
# As in the lottery's configurations.
MODEL = f"--model.optimizer torch.optim.Adam --model.optimizer.lr {LEARNING_RATE}"
FUSED = " --model.optimizer.fused true"
SECONDS_EVALUATION = 6.0
SECONDS_AROUND = 5.0  # to make the images, the command line and the loggers

# Label of a row, the loop it shows, the loop it is compared with, and the goal of the ratio.
LINES: tuple[tuple[str, str, str, Goal | None], ...] = (
    ("Adam; reference: Adam", "ours", "reference", None),  # the lottery's configurations use fused Adam
    ("fused Adam; reference: Adam", "ours fused", "reference", GOAL_LOOP),
    ("fused Adam; reference: fused Adam", "ours fused", "reference fused", None),
    ("reference: fused Adam; reference: Adam", "reference fused", "reference", None),
)


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


SECTION = BenchSection("loop", "Lottery: LeNet, masked, Adam, batch 60, one thread; against a reference loop", tasks)


def reference_loop(setting: Setting, data: Noise, *, fused: bool) -> ReferenceLoop:
    """The loop that the lottery's loop is compared with.

    Args:
        setting: gives its length.
        data: seeded like the lottery's.
        fused: use the fused implementation of Adam.
    """
    start, masks = starting_point(setting.seed)
    return ReferenceLoop(
        LeNet(),
        {name.removeprefix(NET): value for name, value in start.items()},
        {name.removeprefix(NET): mask for name, mask in masks.items()},
        partial(Adam, lr=LEARNING_RATE, fused=fused or None),
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
        made = {fused: bench_cli(MODEL + FUSED * fused, eval_every=sizes.eval_every) for fused in (False, True)}
        with loggers(made[False], root) as logging:
            ours = {
                fused: LotteryLoop(
                    made[fused],
                    data,
                    start,
                    masks,
                    iterations=sizes.iterations,
                    root=root / f"fused_{fused}",
                    seed=setting.seed,
                    loggers=logging,
                )
                for fused in (False, True)
            }
            contestants: dict[str, Contestant] = {
                "ours": ours[False],
                "reference": reference_loop(setting, data, fused=False),
                "ours fused": ours[True],
                "reference fused": reference_loop(setting, data, fused=True),
            }
            times = take_turns(contestants, seconds=sizes.loop_seconds, tick=setting.tick)
    rows = [
        Comparison(what=what, ours=times[one], reference=times[other], goal=goal, count=sizes.iterations, unit="it/s")
        for what, one, other, goal in LINES
    ]
    return [*rows, Comparison(what="around the iterations, per network", ours=ours[False].around[1:])]


def _evaluation(setting: Setting) -> Sequence[BenchRow]:
    """Evaluate after every iteration, and run the forward pass alone after each evaluation."""
    start, masks = starting_point(setting.seed)
    data = lottery_data(setting)
    with tempfile.TemporaryDirectory() as folder, _one_thread():
        root = Path(folder)
        made = bench_cli(MODEL, eval_every=1)
        watch = EvaluationTimes(lambda: forward_alone(made.model.net, data.val_dataloader()), setting.tick)
        with loggers(made, root) as logging:
            LotteryLoop(
                made,
                data,
                start,
                masks,
                iterations=setting.sizes.evaluations + 2,  # a warm-up first; no iteration follows the last
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
