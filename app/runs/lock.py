"""One process at a time in a run directory."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from app.common.errors import UserError
from app.runs.layout import RunDirectory


@contextmanager
def locked(layout: RunDirectory) -> Iterator[int]:
    """Hold the run directory; the system lets go of it when the process ends, however it ends.

    Yields:
        the descriptor that holds it; processes that are given it hold the run directory too.

    Raises:
        UserError: another process holds it.
    """
    layout.root.mkdir(parents=True, exist_ok=True)
    with open(layout.lock, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise UserError(
                f"process {file.read().strip() or 'unknown'} is at work in {layout.root}; "
                "wait for it, or choose another --experiment"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()


def is_locked(layout: RunDirectory) -> bool:
    """Whether a process is at work in the run directory."""
    if not layout.lock.exists():
        return False
    with open(layout.lock) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
