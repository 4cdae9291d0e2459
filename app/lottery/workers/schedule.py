"""Which network is trained next, and by which worker."""

from collections.abc import Collection

from app.lottery.prerequisites import chain_lengths, prerequisites, series
from app.lottery.settings import Pruning
from app.runs.layout import NetworkKey

Series = tuple[int, str, int]


class Agenda:
    """Hands out the networks of a lottery as those that they are made from are finished.

    What other networks are made from comes first, the beginning of the longest chain before all; controls fit in
    anywhere, until one of their series is as long as all that is left for each worker. A worker goes on with its own
    series for as long as that delays nothing, and a series that it holds open is given to no other.

    Args:
        settings: of the lottery.
        finished: the networks that are done already.
        workers: how many there are.
    """

    def __init__(self, settings: Pruning, finished: Collection[NetworkKey], workers: int) -> None:
        self._settings, self._workers = settings, workers
        self._waiting = [key for key in settings.networks() if key not in finished]
        self._lengths = chain_lengths(settings, self._waiting)
        self._finished = set(finished)
        self._training: dict[int, NetworkKey] = {}
        self._held: dict[int, set[Series]] = {worker: set() for worker in range(workers)}
        self._last: dict[int, Series] = {}

    @property
    def is_over(self) -> bool:
        """Whether nothing is being trained and nothing can be any more."""
        return not self._waiting and not self._training

    def take(self, worker: int) -> NetworkKey | None:
        """The next network for a worker, which now trains it; None where there is none for the time being."""
        closed = {held for other, several in self._held.items() if other != worker for held in several}
        ready = [key for key in self._waiting if self._is_ready(key) and series(key) not in closed]
        if not ready:
            return None
        key = self._choose(ready, self._last.get(worker))
        self._waiting.remove(key)
        self._training[worker] = key
        self._last[worker] = series(key)
        self._held[worker].add(series(key))
        return key

    def begun(self, worker: int) -> None:
        """A worker has begun what it took, and so closed every other series."""
        self._held[worker] = {series(self._training[worker])}

    def released(self, worker: int) -> None:
        """A worker holds no series open."""
        self._held[worker] = set()

    def finish(self, worker: int) -> NetworkKey:
        """What a worker took is trained; it may go on with that series."""
        key = self._training.pop(worker)
        self._finished.add(key)
        return key

    def fail(self, worker: int) -> list[NetworkKey]:
        """What a worker took cannot be trained, and the worker is gone.

        Returns:
            the networks that need it, and so are left out.
        """
        failed = {self._training.pop(worker)}
        self.released(worker)
        left_out = []
        for key in list(self._waiting):  # each comes after those that it needs
            if failed.intersection(prerequisites(self._settings, key)):
                failed.add(key)
                left_out.append(key)
                self._waiting.remove(key)
        return left_out

    def training(self, worker: int) -> NetworkKey | None:
        """What a worker trains."""
        return self._training.get(worker)

    def _is_ready(self, key: NetworkKey) -> bool:
        return self._finished.issuperset(prerequisites(self._settings, key))

    def _choose(self, ready: list[NetworkKey], last: Series | None) -> NetworkKey:
        share = (len(self._waiting) + len(self._training)) / self._workers

        def rank(key: NetworkKey) -> tuple[bool, bool, int]:
            return self._lengths[key] >= share, key.method in ("dense", "iterative"), self._lengths[key]

        best = max(ready, key=rank)  # the first of several
        own = next((key for key in ready if series(key) == last), best)
        urgent = rank(best)[0] and self._lengths[own] < self._lengths[best]
        return best if urgent or rank(own)[:2] < rank(best)[:2] else own
