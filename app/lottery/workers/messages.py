"""What a worker and the process that started it tell each other."""

from dataclasses import dataclass

from app.runs.layout import NetworkKey


@dataclass(frozen=True, slots=True)
class Train:
    """To a worker: train this network next."""

    key: NetworkKey


@dataclass(frozen=True, slots=True)
class Release:
    """To a worker: there is nothing to train for now; close what you keep open for the next round."""


@dataclass(frozen=True, slots=True)
class Stop:
    """To a worker: save what you train, between two iterations, and end."""


@dataclass(frozen=True, slots=True)
class Ready:
    """From a worker: it keeps nothing open and waits to be told what to train."""


@dataclass(frozen=True, slots=True)
class Begun:
    """From a worker: its training begins."""

    label: str
    density: float | None
    iterations: int


@dataclass(frozen=True, slots=True)
class Reached:
    """From a worker: how far its training is; `resumed` where an earlier process came so far."""

    iteration: int
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Summed:
    """From a worker: the one line that is kept of its training."""

    summary: str


@dataclass(frozen=True, slots=True)
class Finished:
    """From a worker: the network's directory is finished."""


@dataclass(frozen=True, slots=True)
class Failed:
    """From a worker: its network cannot be trained, for this reason; it ends."""

    reason: str


Order = Train | Release | Stop
Report = Ready | Begun | Reached | Summed | Finished | Failed
