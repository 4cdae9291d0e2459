"""The messages between a worker and its parent process."""

from dataclasses import dataclass

from app.runs.layout import NetworkKey


@dataclass(frozen=True, slots=True)
class Train:
    """To a worker: train this network next."""

    key: NetworkKey


@dataclass(frozen=True, slots=True)
class Release:
    """To a worker: there is nothing to train now; close what is kept open for the next round."""


@dataclass(frozen=True, slots=True)
class Stop:
    """To a worker: save the training between two iterations, and end."""


@dataclass(frozen=True, slots=True)
class Ready:
    """From a worker: it keeps nothing open and waits for an order."""


@dataclass(frozen=True, slots=True)
class Begun:
    """From a worker: a training begins."""

    label: str
    density: float | None
    iterations: int


@dataclass(frozen=True, slots=True)
class Reached:
    """From a worker: the iteration of its training; `resumed` if an earlier process reached it."""

    iteration: int
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Summed:
    """From a worker: the line that is printed about its training, and where that ended."""

    summary: str
    iterations: int | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    """From a worker: the network's directory is complete."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """From a worker: another process trains its network, or has finished it meanwhile."""


@dataclass(frozen=True, slots=True)
class Failed:
    """From a worker: its network cannot be trained for this reason, and the worker ends."""

    reason: str


Order = Train | Release | Stop
Report = Ready | Begun | Reached | Summed | Completed | Elsewhere | Failed
