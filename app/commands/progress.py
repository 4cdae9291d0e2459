"""Progress bars of commands, on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def progress() -> Iterator[Progress]:
    """Show a bar for each task while it runs: description, bar, steps done and time left.

    The bars disappear at the end, and nothing is shown where stderr is not a terminal.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    console.quiet = not console.is_interactive  # rich would print an empty line at the end
    with Progress(*columns, console=console, transient=True) as bars:
        yield bars
