"""How far a benchmark is, on stderr: a line that is redrawn between measurements, never during one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from callbacks.experiment_progress import format_duration


class Progress:
    """What is being measured, and how long everything will take still.

    On a terminal a line that stays in place and is gone afterwards, elsewhere a line per task.

    Args:
        console: where to draw; stderr where it is left out.
        clock: the time in seconds, never going back.
    """

    def __init__(self, console: Console | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._clock = clock
        self._after = 0.0  # seconds, of the tasks after this one
        self._what, self._ends = "", 0.0
        self._live: Live | None = None

    def expect(self, seconds: float) -> None:
        """Say how long all tasks take together, about."""
        self._after = seconds

    @contextmanager
    def task(self, what: str, seconds: float) -> Iterator[None]:
        """Show one task while it is at work, if it takes any time.

        Args:
            what: it is.
            seconds: it takes, about.
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
        # No thread of its own, which would take its time from what is measured; and stdout is not its own either.
        with Live(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        ) as self._live:
            self.tick()
            yield
        self._live = None

    def tick(self) -> None:
        """Draw again."""
        if self._live is not None:
            self._live.update(self._line(), refresh=True)

    def _line(self) -> Text:
        left = max(0.0, self._ends - self._clock()) + self._after
        return Text(f"{self._what} · {format_duration(left)} left", no_wrap=True, overflow="ellipsis")
