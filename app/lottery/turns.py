"""Which network a process trains next, where other processes train networks of the same run directory.

A network that another process trains is passed over. Where nothing else is left, this process waits for the networks
that its own are made from, as long as another process trains them, and trains those that were given up. A network that
no process trains and this command may not train is left, with all that is made from it.
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from app.common.errors import Interrupted, UserError
from app.lottery.kept_files import is_finished
from app.lottery.prerequisites import Graph, graph
from app.lottery.settings import Pruning
from app.runs.at_work import processes
from app.runs.layout import NetworkKey, RunLayout
from app.runs.lock import FileLock, held_by, how_to_break
from app.runs.owner import Owner

POLL_SECONDS = 1.0
# How often to look whether somebody begins what is waited for, while other processes are at work: they may be starting.
PATIENCE = 30


class Others:
    """What other processes do of the networks that are missing.

    Args:
        settings: of the lottery.
        layout: of its run directory.
        finished: the networks that are finished already.
        note: prints a line.
    """

    def __init__(
        self, settings: Pruning, layout: RunLayout, finished: Collection[NetworkKey], note: Callable[[str], None]
    ) -> None:
        self._settings, self._layout, self._note = settings, layout, note
        self.befores: Graph = graph(settings, [key for key in settings.networks() if key not in finished])
        self._patience = PATIENCE
        self._told: set[str] = set()

    def is_finished(self, key: NetworkKey) -> bool:
        """Whether a network is finished by now, whoever has trained it."""
        if key not in self.befores:
            return True
        if not is_finished(self._settings, self._layout, key):
            return False
        del self.befores[key]
        return True

    def trained_by(self, key: NetworkKey) -> Owner | None:
        """Who trains a network now; None if nobody does."""
        return held_by(self._layout.network(key).lock)

    def before(self, key: NetworkKey) -> list[NetworkKey]:
        """The networks that a network is made from and that are not finished."""
        return [each for each in sorted(self.befores.get(key, ()), key=str) if not self.is_finished(each)]

    def tell(self, key: NetworkKey, owner: Owner) -> None:
        """Say once who trains a network."""
        self._say(
            f"{key}: trained by {owner}{owner.since_when}; this process goes on with the rest"
            f"{how_to_break(self._layout.network(key).lock)}"
        )

    def may_come(self, waiting: Collection[NetworkKey]) -> bool:
        """Whether networks that wait, or that they are made from, may still be finished by others; says who does that.

        Asked once for each look at what is free.
        """
        for key in self._missing_of(waiting):
            if (owner := self.trained_by(key)) is not None:
                self._patience = PATIENCE
                self._say(f"waiting for {key}, which {owner} trains{owner.since_when}")
                return True
        if len(processes(self._layout)) < 2:
            return False
        self._patience -= 1
        return self._patience >= 0

    def lacking(self, waiting: Collection[NetworkKey]) -> str:
        """Why networks are left, as a clause: what they are made from, which no process trains."""
        keys = {each: None for key in waiting for each in self.before(key) if each not in waiting}
        if not keys:
            return "other processes have given them up"
        first, *rest = keys
        more = f" and {len(rest)} more" if rest else ""
        return f"they are made from {first}{more}, not finished, trained by nobody, and no part of this command"

    def _missing_of(self, keys: Collection[NetworkKey]) -> list[NetworkKey]:
        """Networks, and all that are missing of those that they are made from."""
        found: dict[NetworkKey, None] = {}
        queue = list(keys)
        while queue:
            key = queue.pop()
            if key not in found:
                found[key] = None
                queue += self.before(key)
        return list(found)

    def _say(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self._note(line)


@dataclass(kw_only=True)
class Turns:
    """The networks that one process trains, one after the other.

    Args:
        others: what the other processes do.
        layout: of the run directory.
        waiting: what is to be trained, each network after those that it is made from.
        stop: asked while waiting whether to stop.
        finished_elsewhere: called with each network that another process has finished meanwhile.
    """

    others: Others
    layout: RunLayout
    waiting: list[NetworkKey]
    stop: Callable[[], int] = bool
    finished_elsewhere: Callable[[NetworkKey], None] = lambda key: None

    def take(self) -> tuple[NetworkKey, FileLock] | None:
        """The next network that is free, and its lock, which the caller releases; waits for it.

        Returns:
            None if all are finished, or nobody trains what the others are made from: these are left in `waiting`.

        Raises:
            Interrupted: asked to stop.
        """
        while True:
            for key in list(self.waiting):
                if self.others.is_finished(key):
                    self._drop(key)
                elif not self.others.before(key):
                    lock = FileLock(self.layout.network(key).lock)
                    if not lock.take():
                        self.others.tell(key, lock.owner)
                    elif self.others.is_finished(key):
                        lock.release()
                        self._drop(key)
                    else:
                        self.waiting.remove(key)
                        return key, lock
            if not self.waiting:
                return None
            if self.stop():
                raise Interrupted
            if not self.others.may_come(self.waiting):
                return None
            time.sleep(POLL_SECONDS)

    def _drop(self, key: NetworkKey) -> None:
        self.waiting.remove(key)
        self.finished_elsewhere(key)


@contextmanager
def all_held(layout: RunLayout, keys: Collection[NetworkKey]) -> Iterator[None]:
    """Hold the locks of several networks.

    Raises:
        UserError: another process has one.
    """
    _allow_files(len(keys))
    with ExitStack() as stack:
        for key in keys:
            lock = stack.enter_context(FileLock(layout.network(key).lock))
            if not lock.take():
                owner = lock.owner
                raise UserError(
                    f"{key} is trained by {owner}{owner.since_when}, and networks that are trained at once or by "
                    f"several ranks are chosen before: wait for it, or name others with --pruning.only"
                    f"{how_to_break(lock.path)}"
                )
        yield


def _allow_files(count: int) -> None:
    """Let this process have so many files open besides those that it has, as far as the system allows."""
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 512
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
