"""The progress of a whole experiment of many trainings: a bar on a terminal, plain lines in a log file."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console
from typing_extensions import override

from app.common.lines import print_line
from callbacks.experiment_display import ExperimentDisplay, format_percentage, format_remaining
from callbacks.speed import Speed

REDRAW_SECONDS = 0.2
LINE_SECONDS = 30.0


def format_density(density: float) -> str:
    """A share of weights remaining as a percentage of three digits: "100 %", "51.2 %", "3.58 %"."""
    return f"{100 * density:.3g} %"


@dataclass
class _Training:
    """A training in progress."""

    label: str
    density: float | None
    iterations: int
    iteration: int = 0
    reached: bool = False  # whether any iteration of it was reported

    @property
    def place(self) -> str:
        density = "" if self.density is None else f" · density {format_density(self.density)}"
        return f"{density} · iteration {self.iteration:,}/{self.iterations:,}"


class ExperimentProgress(Callback):
    """Shows the progress of a whole experiment: the network in training, its iteration, and the time left.

    On a terminal this is a bar, with one line above it per finished network; elsewhere it is one line per finished
    network and one every half minute of a long training, each with the progress of the whole experiment. It is a
    context manager around all trainings, and a callback of each. Only rank zero prints. Trainings may run side by side
    in other processes, the workers: then each has a line above the bar, and the methods take the worker's number.

    Args:
        total: iterations of the whole experiment.
        console: where to print; standard output by default.
        clock: the time in seconds, never going back.
    """

    def __init__(
        self, total: int, console: Console | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.total = total
        self._console = console or Console()
        self._clock = clock
        self._speed = Speed()
        self._display = ExperimentDisplay(self._console, self._speed, clock)
        self._timed_to: float | None = None  # the clock at the last update of the speed
        self._due = 0.0  # the clock at which to show something next
        self._before = 0  # iterations of all finished networks
        self._trainings: dict[int, _Training] = {}  # by worker

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.stop()

    @property
    def done(self) -> int:
        """Iterations of the whole experiment that are done."""
        return self._before + sum(training.iteration for training in self._trainings.values())

    def skip(self, iterations: int) -> None:
        """Count iterations of an earlier process as done; they do not change the speed."""
        self._before += iterations

    def leave_out(self, iterations: int, *, worker: int = 0) -> None:
        """Lower the total, because a training has failed, and stop showing this training.

        Args:
            iterations: that will not be trained.
            worker: which of several that train side by side.
        """
        self._trainings.pop(worker, None)
        self.total -= iterations

    def note(self, line: str) -> None:
        """Print a line above the bar."""
        self._print(line)

    def begin(self, label: str, density: float | None, iterations: int, *, worker: int = 0) -> None:
        """Begin to show a training.

        Args:
            label: which network, such as "replicate 0 · iterative · round 3".
            density: its share of weights remaining, in (0, 1]; not shown if it is None.
            iterations: length of the training.
            worker: which of several that train side by side.
        """
        self._trainings[worker] = _Training(label, density, iterations)
        now = self._clock()
        self._timed_to = now if self._timed_to is None else self._timed_to
        self._due = now + self._interval
        if self._display.is_shown:
            self._show()

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the terminal to a progress bar of the user's."""
        if trainer.progress_bar_callback is not None:
            self._display.stop()

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over the iteration at which the training starts, which is above 0 if it is resumed."""
        self.reach(trainer.global_step, resumed=True)

    def listens(self, trainer: Trainer) -> bool:
        """Whether it is time to redraw."""
        return self._clock() >= self._due

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Show the iteration if it is time to redraw."""
        now = self._clock()
        if now >= self._due:
            self._advance(self._trainings[0], trainer.global_step, now)
            self._due = now + self._interval
            self._show()

    def reach(self, iteration: int, *, worker: int = 0, resumed: bool = False) -> None:
        """Set the iteration of a training, and show it if it is time to redraw.

        Args:
            iteration: of this training.
            worker: which of several that train side by side.
            resumed: whether an earlier process reached this iteration; then it does not change the speed.
        """
        training, now = self._trainings[worker], self._clock()
        training.reached = True
        if resumed:
            self._move(training, iteration)
            return
        self._advance(training, iteration, now)
        if now >= self._due:
            self._due = now + self._interval
            self._show()

    def end(self, summary: str, iterations: int | None = None, *, worker: int = 0) -> None:
        """Count a training as finished.

        Args:
            summary: the line that is printed about it.
            iterations: where it ended, if that is not known to be its length.
            worker: which of several that train side by side.
        """
        training = self._trainings[worker]
        end = training.iterations if iterations is None else iterations
        if not training.reached:  # an earlier process reached its last iteration and was killed
            training.iteration = end
        self._advance(training, end, self._clock())
        # One that was stopped early was no longer than that.
        self.total -= training.iterations - end
        training.iterations = end
        if self._display.is_shown:
            self._show()
        else:
            summary = f"{summary} · {self._how_far()}"
        self._before += training.iterations
        del self._trainings[worker]
        self._print(summary)

    @property
    def _interval(self) -> float:
        return REDRAW_SECONDS if self._display.is_shown else LINE_SECONDS

    def _advance(self, training: _Training, iteration: int, now: float) -> None:
        if self._timed_to is not None:
            self._speed.add(now - self._timed_to, iteration - training.iteration)
        self._timed_to = now
        self._move(training, iteration)

    def _move(self, training: _Training, iteration: int) -> None:
        """Set the iteration; where it is beyond the length, which is estimated where epochs differ, that is longer."""
        training.iteration = iteration
        self.total += max(0, iteration - training.iterations)
        training.iterations = max(iteration, training.iterations)

    def _how_far(self) -> str:
        left = format_remaining(self.total - self.done, self._speed)
        return format_percentage(self.done, self.total) + (f" · {left}" if left else "")

    @rank_zero_only
    def _open(self) -> None:
        if self._console.is_interactive:
            self._display.start()

    @rank_zero_only
    def _print(self, line: str) -> None:
        print_line(line, self._console)

    @rank_zero_only
    def _show(self) -> None:
        trainings = [(training.label, training.place) for _, training in sorted(self._trainings.items())]
        if self._display.is_shown:
            self._display.show(self.done, self.total, trainings)
        else:
            self._print(f"{' | '.join(map(''.join, trainings))} · {self._how_far()}")
