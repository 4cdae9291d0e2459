"""Ends a process whose training has lost another process: what it waits for would never come.

Processes that srun or torchrun has started are ended by those. Of the processes that one has started itself, Lightning
would end the first by SIGKILL, without a word, and leave the others waiting where the first is killed.
"""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence

from app.common.lines import print_to_stderr

GRACE_SECONDS = 30.0  # in which a process may find out by itself that it has lost another one, and say so
STOPPING_SECONDS = 600.0  # the same where the other one was asked to stop, as this one may have been: it may be saving
UNCONNECTED_SECONDS = 2.0  # the same where it waits to be connected, and finds out nothing
POLL_SECONDS = 0.2
GOES_ON = "the same command goes on from the last checkpoint"
# What gloo, NCCL and the store of addresses say where a connection has ended.
LOST = re.compile(
    r"connection (was )?(reset|closed|refused)|broken pipe|time[d ]*out|remote process|ncclRemoteError", re.I
)
ERRORS = ("DistBackendError", "DistNetworkError", "DistStoreError")  # of torch.distributed; gloo has RuntimeErrors

_children: list["subprocess.Popen[bytes]"] = []


def watch_children(children: Sequence["subprocess.Popen[bytes]"], connected: Callable[[], bool]) -> None:
    """End this process if one of those that it has started fails, and this one does not find out by itself.

    Args:
        children: the processes of ranks 1, 2, ...
        connected: whether this process is connected with them.
    """
    _children[:] = children
    _start(lambda: failed_children() or None, connected)


def watch_parent(parent: int, connected: Callable[[], bool]) -> None:
    """End this process if the one that has started it is gone, and this one does not find out by itself.

    Args:
        parent: number of that process.
        connected: whether this process is connected with it.
    """
    _start(lambda: "process 0 has ended" if os.getppid() != parent else None, connected)


def failed_children() -> str:
    """Which of the processes that this one has started have failed, and how; empty if none has."""
    codes = {rank: child.poll() for rank, child in enumerate(_children, start=1)}
    return ", ".join(_how(rank, code) for rank, code in codes.items() if code)


def lost_process(error: BaseException) -> str:
    """What an error says of the other processes of a training.

    Args:
        error: that ended the training here.

    Returns:
        Which process has ended, where this one has started it, or what is wrong with the connection; empty if the error
        is of something else.
    """
    found: BaseException | None = error
    while found is not None and not _is_of_connection(found):
        found = found.__cause__ or found.__context__
    if found is None:
        return ""
    if not LOST.search(str(found)):
        return f"the processes of this training are not connected ({' '.join(str(found).split())})"
    deadline = time.monotonic() + UNCONNECTED_SECONDS  # connections end before the process does
    while _children and not failed_children() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS / 10)
    return f"{failed_children() or 'another process of this training has ended, or cannot be reached'}; {GOES_ON}"


def _is_of_connection(error: BaseException) -> bool:
    return type(error).__name__ in ERRORS or (isinstance(error, RuntimeError) and "gloo" in str(error))


def _how(rank: int, code: int) -> str:
    if code > 128:
        return f"process {rank} of this training was stopped by {signal.Signals(code - 128).name}"
    if code > 0:
        return f"process {rank} of this training has ended with exit code {code}"
    memory = " (out of memory?)" if code == -signal.SIGKILL else ""
    return f"process {rank} of this training was killed by {signal.Signals(-code).name}{memory}"


def _start(lost: Callable[[], str | None], connected: Callable[[], bool]) -> None:
    threading.Thread(target=_watch, args=(lost, connected), daemon=True, name="rank-watch").start()


def _watch(lost: Callable[[], str | None], connected: Callable[[], bool]) -> None:
    while not (what := lost()):
        time.sleep(POLL_SECONDS)
    stopping = any((child.returncode or 0) > 128 for child in _children)
    time.sleep(STOPPING_SECONDS if stopping else GRACE_SECONDS if connected() else UNCONNECTED_SECONDS)
    for child in _children:
        child.kill()
    print_to_stderr(f"failed: {what}; {GOES_ON}")
    os._exit(1)
