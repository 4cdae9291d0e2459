"""The processes that train the networks of one lottery side by side, and the files that all of them write.

Each process has a lock of its own, by which the others know that it is there; one on every network while it trains it;
and for moments the lock of the run directory, to write config.yaml, schema.json, checksums.json, results.csv and what
the networks of a replicate share.
"""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from app.common.errors import UserError
from app.common.files import LEFTOVER
from app.runs.layout import DENSE, REPLICATE, NetworkKey, RunLayout
from app.runs.lock import FileLock, held_by, how_to_break
from app.runs.owner import Owner

SHARED_SECONDS = 300.0  # for others that write the shared files
_RETRY_SECONDS = 0.02


@contextmanager
def shared_files(layout: RunLayout) -> Iterator[None]:
    """Hold the lock of the files that all networks of a lottery share; it is to be held for moments.

    Raises:
        UserError: another process does not give it up.
    """
    with FileLock(layout.lock) as lock:
        deadline = time.monotonic() + SHARED_SECONDS
        while not lock.take():
            if time.monotonic() > deadline:
                raise UserError(
                    f"{lock.owner} has held {layout.lock}{lock.owner.since_when}, which is needed for a moment only; "
                    f"end that process{how_to_break(lock.path)}"
                )
            time.sleep(_RETRY_SECONDS)
        yield


@contextmanager
def at_work(layout: RunLayout) -> Iterator[None]:
    """Let the other processes know that this one is at work in a lottery's directory."""
    with FileLock(layout.processes / f"{socket.gethostname()}.{os.getpid()}") as lock:
        lock.take()
        try:
            yield
        finally:
            lock.release()
            with suppress(OSError):  # others are there
                layout.processes.rmdir()


def processes(layout: RunLayout) -> list[Owner]:
    """The processes that are at work in a lottery's directory, this one included if it is."""
    found = [held_by(path) for path in sorted(layout.processes.glob("*")) if path.suffix != ".breaking"]
    return [owner for owner in found if owner is not None]


def remove_traces(layout: RunLayout) -> None:
    """Delete what processes that were killed have left: their locks, and files that they had not written to the end.

    The caller holds the lock of the shared files. Networks that another process trains are left alone.
    """
    for path in layout.processes.glob("*"):
        with FileLock(path) as lock:
            lock.take()
    for path in sorted(layout.root.rglob(f".*{LEFTOVER}")):
        inside = path.parent.relative_to(layout.root)
        key = NetworkKey.of_path(inside.as_posix())
        if REPLICATE.fullmatch(inside.as_posix()):  # the dense network saves its moments there
            key = NetworkKey(int(inside.name.partition("_")[2]), DENSE, 0)
        if key is None and inside != Path():
            continue  # a report's, say, which may be written just now
        of_stack = path.name.startswith(f".{layout.stack.name}.")
        needed = layout.network(key).lock if key is not None else layout.stack_lock if of_stack else None
        with ExitStack() as stack:
            if needed is None or stack.enter_context(FileLock(needed)).take():
                path.unlink(missing_ok=True)
