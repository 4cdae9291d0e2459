"""Progress of a benchmark on stderr: a line that is redrawn between measurements, never during one.

Not by `rich.progress`: that extrapolates the remaining time from the speed so far, here it follows from the plan.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from app.common.durations import format_duration


class Progress:
    """Shows the current task and the time left for all tasks.

    On a terminal this is one line, redrawn in place and erased in the end; elsewhere it is one line per task.

    Args:
        console: where to print; stderr by default.
        clock: the time in seconds, monotonic.
    """

    def __init__(self, console: Console | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._clock = clock
        self._after = 0.0  # planned seconds of the tasks after the current one
        self._what, self._ends = "", 0.0
        self._live: Live | None = None

    def expect(self, seconds: float) -> None:
        """Set the planned seconds of all tasks together."""
        self._after = seconds

    @contextmanager
    def task(self, what: str, seconds: float) -> Iterator[None]:
        """Show a task while it runs, if it takes any time.

        Args:
            what: the task's name.
            seconds: how long it takes, roughly.
        """
        self._after -= seconds
        self._what, self._ends = what, self._clock() + seconds
        if not seconds:
            yield
            return
        if not self._console.is_interactive:
            self._console.print(self._line(), soft_wrap=True)
            yield
            return
        # No refresh thread, which would disturb the measurement; stdout is left alone.
        with Live(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        ) as self._live:
            self.tick()
            yield
        self._live = None

    def tick(self) -> None:
        """Redraw the line."""
        if self._live is not None:
            self._live.update(self._line(), refresh=True)

    def _line(self) -> Text:
        left = max(0.0, self._ends - self._clock()) + self._after
        return Text(f"{self._what} · {format_duration(left)} left", no_wrap=True, overflow="ellipsis")
