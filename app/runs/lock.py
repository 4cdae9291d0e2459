"""Locks a run directory, so that one process at a time works in it.

The lock is `fcntl.flock` and not `filelock`, which keeps its descriptor private: worker processes inherit it.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from app.common.errors import UserError
from app.runs.layout import RunDirectory

PATIENCE_SECONDS = 15.0  # for the children of a process that was killed


@contextmanager
def locked(layout: RunDirectory) -> Iterator[int]:
    """Hold the lock of a run directory; the system releases it when the process ends for any reason.

    Yields:
        The descriptor of the lock; processes that inherit it hold the lock too.

    Raises:
        UserError: another process holds the lock.
    """
    layout.root.mkdir(parents=True, exist_ok=True)
    with open(layout.lock, "a+") as file:
        if not _lock(file):
            file.seek(0)
            raise UserError(
                f"process {file.read().strip() or 'unknown'} is at work in {layout.root}; "
                "wait for it, or choose another --experiment"
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()


def _lock(file: IO[str]) -> bool:
    """Take the lock; where the process that has it is dead, wait for its children, which have it until they end.

    The workers of a DataLoader notice only after some seconds that their parent was killed.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            file.seek(0)
            if _is_alive(file.read().strip()) or time.monotonic() > deadline:
                return False
            time.sleep(0.1)


def _is_alive(process: str) -> bool:
    """Whether a process with this number is there, or the number cannot be read."""
    if not process.isdigit():
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


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
