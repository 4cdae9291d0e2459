"""One display for a whole experiment of many trainings: a bar on a terminal, plain lines in a log file."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from typing_extensions import override

REDRAW_SECONDS = 0.2
LINE_SECONDS = 30.0
HALF_LIFE_SECONDS = 600.0
MARGIN = 3  # columns on the right in which the terminal can echo a ^C without starting a new line


def format_duration(seconds: float) -> str:
    """A duration to be read at a glance: "12 s", "0:03:05", "1:02:03"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def format_density(density: float) -> str:
    """A share of weights remaining as a percentage of three digits: "100 %", "51.2 %", "3.58 %"."""
    return f"{100 * density:.3g} %"


class Speed:
    """Seconds per iteration, everything between iterations included; what is long past counts for little.

    The weight of a second halves every `HALF_LIFE_SECONDS`: long enough to span several evaluations and the work
    between two trainings, short enough to follow a machine that slows down.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._iterations = 0.0

    def add(self, seconds: float, iterations: int) -> None:
        """Take in a stretch of time and how many iterations fell into it, which may be none."""
        weight = 0.5 ** (seconds / HALF_LIFE_SECONDS)
        self._seconds = weight * self._seconds + seconds
        self._iterations = weight * self._iterations + iterations

    def seconds_for(self, iterations: int) -> float | None:
        """How long so many iterations would take, in seconds; `None` before the first is known."""
        return iterations * self._seconds / self._iterations if self._iterations else None


def _stream_handlers() -> Iterator["logging.StreamHandler[Any]"]:
    for logger in (logging.root, *logging.root.manager.loggerDict.values()):
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.StreamHandler):
                yield handler


@dataclass
class _Training:
    """One that is in progress."""

    label: str
    density: float | None
    iterations: int
    iteration: int = 0
    reached: bool = False  # whether it has told of any iteration

    @property
    def place(self) -> str:
        density = "" if self.density is None else f" · density {format_density(self.density)}"
        return f"{density} · iteration {self.iteration}/{self.iterations}"


class ExperimentProgress(Callback):
    """Shows how far a whole experiment is: which network is trained, its iteration, and the time that is left.

    On a terminal a bar that redraws itself, with one line above it per finished network; elsewhere one line per
    finished network and one every half minute of a long training, each with how far the whole is. A context manager
    around all trainings, and a callback of each. Only rank zero draws. Trainings may run side by side in other
    processes, their workers: then each has a line above the bar, and is told of by number.

    Args:
        total: iterations of the whole experiment.
        console: where to draw; standard output where it is left out.
        clock: the time in seconds, never going back.
    """

    def __init__(
        self, total: int, console: Console | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.total = total
        self._console = console or Console()
        self._clock = clock
        self._live: Live | None = None
        self._open_until_exit = ExitStack()
        self._speed = Speed()
        self._timed_to: float | None = None  # the clock, when the speed was last told
        self._due = 0.0  # the clock, when next to show something
        self._before = 0  # iterations of all networks before this one
        self._trainings: dict[int, _Training] = {}  # by worker

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open_until_exit.close()
        self._live = None

    @property
    def done(self) -> int:
        """Iterations of the whole experiment that are behind us."""
        return self._before + sum(training.iteration for training in self._trainings.values())

    def skip(self, iterations: int) -> None:
        """Count iterations that were trained by an earlier process: done, but no measure of speed."""
        self._before += iterations

    def leave_out(self, iterations: int, *, worker: int = 0) -> None:
        """Count on fewer iterations, because the training in progress has failed; it is shown no more."""
        self._trainings.pop(worker, None)
        self.total -= iterations

    def note(self, line: str) -> None:
        """Keep a line about the training in progress, above the bar."""
        self._print(line)

    def begin(self, label: str, density: float | None, iterations: int, *, worker: int = 0) -> None:
        """Announce the next training.

        Args:
            label: which network, such as "replicate 0 · iterative · round 3".
            density: its share of weights remaining, in (0, 1]; not shown where it is None.
            iterations: its length.
            worker: which of several that train side by side.
        """
        self._trainings[worker] = _Training(label, density, iterations)
        now = self._clock()
        self._timed_to = now if self._timed_to is None else self._timed_to
        self._due = now + self._interval
        if self._live is not None:
            self._show()

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start counting where the training starts: above 0 where it is resumed."""
        self.reach(trainer.global_step, resumed=True)

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Show the iteration, where it is time to."""
        now = self._clock()
        if now >= self._due:
            self._advance(self._trainings[0], trainer.global_step, now)
            self._due = now + self._interval
            self._show()

    def reach(self, iteration: int, *, worker: int = 0, resumed: bool = False) -> None:
        """Count a worker's training as having come so far, and show it, where it is time to.

        Args:
            iteration: of that training.
            worker: which of several that train side by side.
            resumed: whether an earlier process came so far, which says nothing of speed.
        """
        training, now = self._trainings[worker], self._clock()
        training.reached = True
        if resumed:
            training.iteration = iteration
            return
        self._advance(training, iteration, now)
        if now >= self._due:
            self._due = now + self._interval
            self._show()

    def end(self, summary: str, *, worker: int = 0) -> None:
        """Count the training as finished.

        Args:
            summary: the one line that is kept of it.
            worker: which of several that train side by side.
        """
        training = self._trainings[worker]
        if not training.reached:  # an earlier process came to its last iteration, and no further
            training.iteration = training.iterations
        self._advance(training, training.iterations, self._clock())
        if self._live is None:
            summary = f"{summary} · {self._how_far()}"
        else:
            self._show()
        self._before += training.iterations
        del self._trainings[worker]
        self._print(summary)

    @property
    def _interval(self) -> float:
        return LINE_SECONDS if self._live is None else REDRAW_SECONDS

    def _advance(self, training: _Training, iteration: int, now: float) -> None:
        if self._timed_to is not None:
            self._speed.add(now - self._timed_to, iteration - training.iteration)
        self._timed_to, training.iteration = now, iteration

    def _how_far(self) -> str:
        if self.done >= self.total:
            return "100 %"
        percent = 100 * self.done // self.total
        left = self._speed.seconds_for(self.total - self.done)
        return f"{percent} %" if left is None else f"{percent} % · {format_duration(left)} left"

    def _render(self) -> Group:
        """Lines that never wrap: the beginning of a name gives way where a terminal is narrow."""
        width = max(self._console.width - MARGIN, 1)
        lines = []
        for _, training in sorted(self._trainings.items()):
            label, place = training.label, training.place
            if len(label) + len(place) > width:
                label = f"…{label[len(label) + len(place) + 1 - width :]}"
            lines.append(Text(label + place, no_wrap=True, overflow="ellipsis"))
        bar = Table.grid(padding=(0, 1, 0, 0))
        bar.width = width
        bar.add_column(ratio=1)
        bar.add_column(no_wrap=True)
        bar.add_row(ProgressBar(total=max(self.total, 1), completed=self.done), self._how_far())
        return Group(*lines, bar)

    @rank_zero_only
    def _open(self) -> None:
        if not self._console.is_interactive:
            return
        found = sys.stdout, sys.stderr
        self._live = self._open_until_exit.enter_context(
            Live(console=self._console, auto_refresh=False, transient=True)
        )
        for handler in _stream_handlers():
            # Live puts its own streams in the place of these, and what is written to them appears above the bar; a
            # handler would go on writing to the old ones, in the middle of the bar.
            if handler.stream in found:
                self._open_until_exit.callback(handler.setStream, handler.stream)
                handler.setStream(sys.stderr)

    @rank_zero_only
    def _print(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)

    @rank_zero_only
    def _show(self) -> None:
        if self._live is None:
            trainings = (f"{training.label}{training.place}" for _, training in sorted(self._trainings.items()))
            self._print(f"{' | '.join(trainings)} · {self._how_far()}")
        else:
            self._live.update(self._render(), refresh=True)
