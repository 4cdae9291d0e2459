"""The lottery's own loop for one network, wired as `python -m app lottery` wires it."""

import io
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger
from rich.console import Console
from torch import Tensor

from app import pruning
from app.bench.noise import Noise
from app.bench.timing_callbacks import Stopwatch
from app.cli.parser import CLI, quiet
from app.common.seeds import derive_seed
from app.lottery.network import Job, NetworkTraining
from app.lottery.settings import Pruning
from app.pruning import Masks
from app.runs.layout import NetworkKey, RunLayout
from app.training.run_loggers import LotteryLoggers
from callbacks import ExperimentProgress

# One thread, as the lottery has unless it is told otherwise.
THREADS = 1


class Parts(CLI):
    """The command line's Trainers and loggers, without a subcommand to run."""

    def __init__(self, options: Sequence[str]) -> None:
        with warnings.catch_warnings():
            # Of arguments beside those of the command line, which are these.
            warnings.filterwarnings("ignore", message="LightningCLI's args parameter")
            super().__init__(list(options), run=False)
        self.context = self._context()


def parts(model: str, *, eval_every: int) -> Parts:
    """What the options of a lottery's configuration make.

    Args:
        model: options of the model.
        eval_every: iterations from one evaluation to the next.
    """
    quiet()
    options = (
        *("--seed_everything", "0", "--threads", str(THREADS), "--experiment", "bench"),
        *("--model", "app.modules.Classifier", "--model.net", "app.nets.LeNet", *model.split()),
        *("--data", f"{Noise.__module__}.{Noise.__name__}"),
        *("--trainer.val_check_interval", str(eval_every), "--trainer.accelerator", "cpu"),
    )
    return Parts(options)


@contextmanager
def loggers(made: Parts, root: Path) -> Iterator[LotteryLoggers]:
    """The loggers that the options make, until everything is measured: W&B keeps one run open at a time.

    Args:
        made: by the command line.
        root: directory of the experiment.
    """
    found = LotteryLoggers(make=made.context.make_loggers, layout=RunLayout(root), config=made.context.config)
    try:
        yield found
    finally:
        found.finish()


class LotteryLoop:
    """Trains a masked network from the same start every time, as one round of a lottery after the other.

    Args:
        made: by the command line.
        data: to train and evaluate on, ready.
        start: the state that it begins with.
        masks: which of its weights are left.
        iterations: length of a training.
        root: directory of the experiment.
        seed: of the experiment.
        loggers: of the experiment.
        first: callbacks that come before all others.

    Attributes:
        around: seconds of every training before its first iteration and after its last.
    """

    def __init__(
        self,
        made: Parts,
        data: Noise,
        start: dict[str, Tensor],
        masks: Masks,
        *,
        iterations: int,
        root: Path,
        seed: int,
        loggers: LotteryLoggers,
        first: Sequence[Callback] = (),
    ) -> None:
        self.model = made.model
        self.start, self.masks = start, masks
        self.seeds = {purpose: derive_seed(seed, 0, purpose) for purpose in ("split", "order", "training")}
        self.layout = RunLayout(root)
        self.around: list[float] = []
        self._stopwatch = Stopwatch()

        def make_trainer(root: Path, callbacks: list[Callback], logger: list[Logger], **arguments: Any) -> Trainer:
            return made.network_trainer(root, [self._stopwatch, *first, *callbacks], logger, **arguments)

        self._train = NetworkTraining(
            model=self.model,
            data=data,
            settings=Pruning(),
            layout=self.layout,
            iterations=iterations,
            threads=THREADS,
            make_trainer=make_trainer,
            loggers=loggers,
            # Not on this terminal, which shows another one.
            progress=ExperimentProgress(iterations, Console(file=io.StringIO())),
            checkpoint_seconds=made.context.checkpoint_seconds,
        )

    def __call__(self) -> float:
        """Train; says how many seconds the iterations took, evaluations included."""
        began = time.perf_counter()
        pruning.rewind(self.model, self.start, self.masks)
        key = network(len(self.around))
        self._train(Job(key=key, start=self.start, masks=self.masks, seeds=self.seeds))
        self.around.append(time.perf_counter() - began - self._stopwatch.seconds)
        return self._stopwatch.seconds


def network(training: int) -> NetworkKey:
    """Which network of the experiment a training is, counted from 0: all of one branch, so that loggers stay open."""
    return NetworkKey(0, "iterative", training + 1)
