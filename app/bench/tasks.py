"""A benchmark as a list of tasks, so that progress can be shown while they run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.bench.rows import BenchRow
from app.bench.sizes import Sizes

SEED = 0


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Settings that all sections share.

    Args:
        sizes: what to measure, and for how long.
        seed: for all random numbers.
        tick: called between measurements, to update the progress.
    """

    sizes: Sizes
    seed: int = SEED
    tick: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Task:
    """A measurement that yields one or more rows.

    Args:
        what: its name, for the progress line.
        seconds: how long it takes, roughly.
        run: measures, and returns the rows.
    """

    what: str
    seconds: float
    run: Callable[[], Sequence[BenchRow]]


@dataclass(frozen=True)
class BenchSection:
    """A section of the benchmark's output.

    Args:
        name: on the command line.
        title: printed above its tables.
        tasks: makes the tasks that fill it.
    """

    name: str
    title: str
    tasks: Callable[[Setting], Sequence[Task]]
