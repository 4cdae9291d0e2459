"""The order in which workers train the networks of a lottery."""

from collections.abc import Callable, Collection
from graphlib import TopologicalSorter

from app.lottery.prerequisites import chain_lengths, graph, series
from app.lottery.settings import Pruning
from app.runs.layout import NetworkKey

Series = tuple[int, str, int]


class Schedule:
    """Assigns a network to a worker as soon as the networks that it is made from are finished.

    Networks from which others are made come first, beginning with the longest chain. Controls fill the gaps, until a
    series of them is as long as the remaining share of each worker. A worker continues its own series as long as this
    delays nothing, and a series that it holds open is assigned to no other worker.

    Args:
        settings: the settings of the lottery.
        finished: the networks that are finished already.
        workers: the number of workers.
    """

    def __init__(self, settings: Pruning, finished: Collection[NetworkKey], workers: int) -> None:
        self._workers = workers
        missing = [key for key in settings.networks() if key not in finished]
        self._waiting = [key for key in settings.selected() if key not in finished]
        self._elsewhere: set[NetworkKey] = set()
        self._lengths = chain_lengths(settings, self._waiting)
        self._befores = graph(settings, missing)
        self._needed = {before for befores in self._befores.values() for before in befores}
        self._sorter = TopologicalSorter(self._befores)
        self._sorter.prepare()
        self._ready = set(self._sorter.get_ready())
        self._training: dict[int, NetworkKey] = {}
        self._held: dict[int, set[Series]] = {worker: set() for worker in range(workers)}
        self._last: dict[int, Series] = {}

    @property
    def waiting(self) -> list[NetworkKey]:
        """The networks that no worker has begun."""
        return list(self._waiting)

    @property
    def is_idle(self) -> bool:
        """Whether something is left to train, and all of it waits for other processes."""
        return bool(self._waiting) and not self._training and not self._free()

    @property
    def depends(self) -> bool:
        """Whether any network waits for other processes."""
        return bool(self._elsewhere or self._ready.difference(self._waiting, self._training.values()))

    def elsewhere(self, worker: int) -> NetworkKey:
        """Note that another process trains the network of a worker, which is returned."""
        key = self._training.pop(worker)
        self._waiting.append(key)
        self._elsewhere.add(key)
        return key

    def look(self, finished: Callable[[NetworkKey], bool], trained: Callable[[NetworkKey], object]) -> list[NetworkKey]:
        """Note what other processes have done since the last time.

        Args:
            finished: whether a network is finished, whoever has trained it.
            trained: by whom a network is trained; None for nobody.

        Returns:
            The networks of this lottery that others have finished.
        """
        found = []
        while done := [key for key in self._others() if finished(key)]:
            for key in done:
                self._elsewhere.discard(key)
                self._ready.discard(key)
                if key in self._waiting:
                    self._waiting.remove(key)
                    found.append(key)
                self._sorter.done(key)
            self._ready.update(self._sorter.get_ready())
        self._elsewhere = {key for key in self._elsewhere if trained(key) is not None}
        return found

    def give_up(self) -> list[NetworkKey]:
        """Leave all networks that wait; return them."""
        left, self._waiting = self._waiting, []
        return left

    def _others(self) -> list[NetworkKey]:
        """The networks that other processes train, or may train: those that no worker is to train at present."""
        mine = {*self._training.values(), *(key for key in self._waiting if key not in self._elsewhere)}
        return [key for key in self._ready if key not in mine]

    def _free(self) -> list[NetworkKey]:
        return [key for key in self._waiting if key in self._ready and key not in self._elsewhere]

    @property
    def is_over(self) -> bool:
        """Whether no network is in training and none can be trained any more."""
        return not self._waiting and not self._training

    def take(self, worker: int) -> NetworkKey | None:
        """Assign the next network to a worker; None if there is none at present."""
        closed = {held for other, several in self._held.items() if other != worker for held in several}
        ready = [key for key in self._free() if series(key) not in closed]
        if not ready:
            return None
        key = self._choose(ready, self._last.get(worker))
        self._waiting.remove(key)
        self._training[worker] = key
        self._last[worker] = series(key)
        self._held[worker].add(series(key))
        return key

    def begun(self, worker: int) -> None:
        """Note that a worker has begun its network, and so has closed every other series."""
        self._held[worker] = {series(self._training[worker])}

    def released(self, worker: int) -> None:
        """Note that a worker holds no series open."""
        self._held[worker] = set()

    def finish(self, worker: int) -> NetworkKey:
        """Note that a worker has finished its network, which is returned; the worker holds the series open."""
        key = self._training.pop(worker)
        self._ready.discard(key)
        self._sorter.done(key)
        self._ready.update(self._sorter.get_ready())
        return key

    def fail(self, worker: int) -> list[NetworkKey]:
        """Note that the network of a worker cannot be trained and that the worker has ended.

        Returns:
            The networks that are left out because they are made from this one.
        """
        failed = {self._training.pop(worker)}
        self._ready -= failed
        self.released(worker)
        left_out = []
        for key in list(self._waiting):  # each network comes after those that it is made from
            if failed & self._befores[key]:
                failed.add(key)
                left_out.append(key)
                self._waiting.remove(key)
        return left_out

    def training(self, worker: int) -> NetworkKey | None:
        """The network that a worker trains; None if it trains none."""
        return self._training.get(worker)

    def _choose(self, ready: list[NetworkKey], last: Series | None) -> NetworkKey:
        share = (len(self._waiting) + len(self._training)) / self._workers

        def rank(key: NetworkKey) -> tuple[bool, bool, float]:
            return self._lengths[key] >= share, key in self._needed, self._lengths[key]

        best = max(ready, key=rank)  # the first of equal ones
        own = next((key for key in ready if series(key) == last), best)
        urgent = rank(best)[0] and self._lengths[own] < self._lengths[best]
        return best if urgent or rank(own)[:2] < rank(best)[:2] else own
