"""A benchmark as a list of things to measure, so that somebody else can show how far it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.bench.rows import Row
from app.bench.sizes import Sizes

SEED = 0


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a section needs to know.

    Args:
        sizes: how much to measure, and for how long.
        seed: of every random number.
        tick: to be called now and then between measurements.
    """

    sizes: Sizes
    seed: int = SEED
    tick: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Task:
    """One line or a few.

    Args:
        what: is measured, for the progress.
        seconds: it takes, about.
        run: measures.
    """

    what: str
    seconds: float
    run: Callable[[], Sequence[Row]]


@dataclass(frozen=True)
class Section:
    """A table.

    Args:
        name: on the command line.
        title: of the table.
        tasks: what fills it.
    """

    name: str
    title: str
    tasks: Callable[[Setting], Sequence[Task]]
