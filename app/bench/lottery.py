"""The lottery's own training of one network, set up as by `python -m app lottery`."""

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

from app.bench.noise import Noise
from app.bench.timing_callbacks import Stopwatch
from app.cli.main import quiet
from app.cli.subcommands import CLI
from app.common.seeds import derive_seed
from app.lottery.job import Job
from app.lottery.lottery_loggers import LotteryLoggers
from app.lottery.network import NetworkTraining
from app.lottery.settings import Pruning
from app.pruning import Masks, rewind
from app.runs.best_validation import BestValidation
from app.runs.layout import NetworkKey, RunLayout
from callbacks import ExperimentProgress, IterativePruningCallback

# The lottery's default.
THREADS = 1


class BenchCLI(CLI):
    """A command line without a subcommand, which makes Trainers and loggers."""

    def __init__(self, options: Sequence[str]) -> None:
        with warnings.catch_warnings():
            # Lightning warns about arguments that are not from the command line.
            warnings.filterwarnings("ignore", message="LightningCLI's args parameter")
            super().__init__(list(options), run=False)
        self.context = self._context()


def bench_cli(model: str, *, eval_every: int) -> BenchCLI:
    """Model, data, Trainers and loggers from the options of a lottery's configuration.

    Args:
        model: options of the model.
        eval_every: iterations from one evaluation to the next.
    """
    quiet()
    options = (
        *("--seed_everything", "0", "--threads", str(THREADS), "--experiment", "bench"),
        *("--model", "app.modules.Classifier", "--model.net", "app.nets.LeNet", *model.split()),
        *("--data", f"{Noise.__module__}.{Noise.__name__}"),
        *("--trainer.accelerator", "cpu"),
        *("--trainer.val_check_interval", str(eval_every), "--trainer.check_val_every_n_epoch", "null"),
    )
    return BenchCLI(options)


@contextmanager
def loggers(made: BenchCLI, data: Noise, root: Path, *, iterations: int, seed: int) -> Iterator[LotteryLoggers]:
    """The loggers of the options, finished in the end: W&B keeps one run open at a time.

    Args:
        made: the command line.
        data: that is trained on.
        root: directory of the experiment.
        iterations: length of a training.
        seed: of the experiment.
    """
    found = LotteryLoggers(
        make=made.context.make_loggers,
        layout=RunLayout(root),
        config=made.context.config,
        model=made.model,
        data=data,
        settings=Pruning(),
        seed=seed,
        iterations=iterations,
    )
    try:
        yield found
    finally:
        found.finish()


class LotteryLoop:
    """Trains a masked network, always from the same weights, as successive rounds of a lottery.

    Args:
        made: the command line.
        data: to train and evaluate on, already prepared.
        start: the initial state of the network.
        masks: of the weights that are kept.
        iterations: length of a training.
        root: directory of the experiment.
        seed: of the experiment.
        loggers: of the experiment.
        first: callbacks that run before all others.

    Attributes:
        around: for every training, the seconds before its first iteration and after its last together.
    """

    def __init__(
        self,
        made: BenchCLI,
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
            mine = [self._stopwatch, *first, *callbacks]
            return made.network_trainer(root, mine, logger, **{"max_steps": iterations} | arguments)

        self._train = NetworkTraining(
            model=self.model,
            data=data,
            settings=Pruning(),
            layout=self.layout,
            iterations=iterations,
            rewind_iteration=0,
            best=BestValidation(),
            config=made.context.config,
            threads=THREADS,
            make_trainer=make_trainer,
            loggers=loggers,
            # Not on the terminal, which shows the benchmark's progress.
            progress=ExperimentProgress(iterations, Console(file=io.StringIO())),
            checkpoint_seconds=made.context.checkpoint_seconds,
        )

    def __call__(self) -> float:
        """Train; return the seconds of the iterations, evaluations included."""
        began = time.perf_counter()
        rewind(self.model, self.start, self.masks)
        key, ticket = network(len(self.around)), IterativePruningCallback()
        ticket.adopt(self.masks, round=key.round)
        self._train(Job(key=key, start=self.start, ticket=ticket, seeds=self.seeds))
        self.around.append(time.perf_counter() - began - self._stopwatch.seconds)
        return self._stopwatch.seconds


def network(training: int) -> NetworkKey:
    """The key of the network of a training, counted from 0; all are of one branch, so that loggers stay open."""
    return NetworkKey(0, "iterative", training + 1)
