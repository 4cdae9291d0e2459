"""Progress bars of commands, on stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text
from typing_extensions import override

from app.common.durations import format_duration


class RemainingColumn(ProgressColumn):
    """The time that is left if every step takes as long as those that are done; nothing before the first is.

    rich's own column knows no steps that take longer than half a minute.
    """

    @override
    def render(self, task: Task) -> Text:
        if not task.completed or task.elapsed is None or task.remaining is None or task.finished:
            return Text("")
        return Text(f"· {format_duration(task.elapsed / task.completed * task.remaining)} left")


@contextmanager
def progress(within: Progress | None = None) -> Iterator[Progress]:
    """Show a bar for each task while it runs: description, bar, steps done and time left.

    The bars disappear at the end, and nothing is shown where stderr is not a terminal. What is printed meanwhile is
    above the bars.

    Args:
        within: bars that are shown already, to which those of a part of the command are added until its end.
    """
    if within is not None:
        before = set(within.task_ids)
        try:
            yield within
        finally:
            for task in set(within.task_ids) - before:
                within.remove_task(task)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RemainingColumn())
    console = Console(stderr=True)
    console.quiet = not console.is_interactive  # rich would print an empty line at the end
    # Standard output may be a file, where what is printed has to arrive.
    with Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as bars:
        yield bars
