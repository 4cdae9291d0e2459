"""The live display of an experiment on a terminal, by `rich.progress`: a line per training above one bar."""

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task
from rich.table import Column, Table
from rich.text import Text
from typing_extensions import override

from app.common.durations import format_duration
from callbacks.speed import Speed

MARGIN = 3  # columns on the right in which the terminal can echo a ^C without starting a new line


def format_percentage(done: int, total: int) -> str:
    """A whole percentage, rounded down, so that only a finished experiment is at "100 %"."""
    return f"{100 if done >= total else 100 * done // total} %"


def format_remaining(iterations: int, speed: Speed) -> str:
    """The time left for so many iterations, such as "0:10:00 left"; empty if there are none or it is unknown."""
    seconds = speed.seconds_for(iterations)
    return "" if seconds is None or iterations <= 0 else f"{format_duration(seconds)} left"


class PercentageColumn(ProgressColumn):
    """The percentage that is done; rich's own `TaskProgressColumn` rounds up to 100 % before the end."""

    @override
    def render(self, task: Task) -> Text:
        return Text(format_percentage(int(task.completed), int(task.total or 0)))


class RemainingColumn(ProgressColumn):
    """The time left; rich's own `TimeRemainingColumn` would count trainings of an earlier process as speed.

    Args:
        speed: of the experiment.
        table_column: how the column is laid out.
    """

    def __init__(self, speed: Speed, table_column: Column) -> None:
        super().__init__(table_column)
        self._speed = speed

    @override
    def render(self, task: Task) -> Text:
        left = format_remaining(int(task.remaining or 0), self._speed)
        return Text(f"· {left}" if left else "")


class ExperimentDisplay(Progress):
    """One task for the whole experiment, and above its bar a line per training in progress; no line ever wraps.

    It is redrawn only by `show`. What is printed or logged meanwhile appears above it, and it erases itself in the end.

    Args:
        console: where to draw.
        speed: of the experiment.
        clock: the time in seconds, never going back.
    """

    def __init__(self, console: Console, speed: Speed, clock: Callable[[], float]) -> None:
        self._terminal = console  # rich asks for the renderables before it has a console
        super().__init__(
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            PercentageColumn(Column(no_wrap=True)),
            RemainingColumn(speed, Column(no_wrap=True)),
            console=console,
            auto_refresh=False,
            transient=True,
            get_time=clock,
        )
        self._restored_at_stop = ExitStack()
        self._experiment = self.add_task("experiment", total=0, visible=False)

    @property
    def is_shown(self) -> bool:
        """Whether the display is on the terminal."""
        return self.live.is_started

    @override
    def start(self) -> None:
        """Take over the terminal; nothing is drawn before the first call of `show`."""
        replaced = sys.stdout, sys.stderr
        self.live.start()
        for handler in _stream_handlers():
            # rich replaces these two streams, and what is written to the new ones appears above the bar; a handler
            # would go on writing to the old ones, in the middle of the bar.
            if handler.stream in replaced:
                self._restored_at_stop.callback(handler.setStream, handler.stream)
                handler.setStream(sys.stderr)

    @override
    def stop(self) -> None:
        """Erase the display and restore the handlers of loggers."""
        self._restored_at_stop.close()
        self.live.stop()

    def show(self, done: int, total: int, trainings: Sequence[tuple[str, str]]) -> None:
        """Redraw.

        Args:
            done: iterations of the whole experiment that are done.
            total: all iterations of the experiment.
            trainings: of each training in progress a label, whose beginning may be cut off, and where it is.
        """
        self.update(
            self._experiment, completed=done, total=total, visible=True, trainings=tuple(trainings), refresh=True
        )

    @override
    def get_renderables(self) -> Iterable[RenderableType]:
        # The descriptions of trainings are lines of their own: beside the bar they would leave it no room.
        for task in self.tasks:
            if task.visible:
                yield from (self._line(label, place) for label, place in task.fields["trainings"])
                yield self.make_tasks_table([task])

    @override
    def make_tasks_table(self, tasks: Iterable[Task]) -> Table:
        table = super().make_tasks_table(tasks)
        table.width = self._width
        return table

    @property
    def _width(self) -> int:
        return max(self._terminal.width - MARGIN, 1)

    def _line(self, label: str, place: str) -> Text:
        if len(label) + len(place) > self._width:
            label = f"…{label[len(label) + len(place) + 1 - self._width :]}"
        line = Text(label + place, no_wrap=True, overflow="ellipsis")
        line.truncate(self._width, overflow="ellipsis")
        return line


def _stream_handlers() -> Iterator["logging.StreamHandler[Any]"]:
    for logger in (logging.root, *logging.root.manager.loggerDict.values()):
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.StreamHandler):
                yield handler
