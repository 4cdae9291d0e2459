"""What a process says and does when its training has lost another one."""

import subprocess
import sys

import pytest

from app.common import rank_watch
from app.common.rank_watch import lost_process

RESET = "[/pytorch/gloo/transport/tcp/pair.cc:537] Read error [127.0.0.1]:38325: Connection reset by peer. GLHF!"
NOBODY = "another process of this training has ended, or cannot be reached"


class DistBackendError(RuntimeError):
    """Named as that of torch."""


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RuntimeError(RESET), f"{NOBODY}; the same command goes on from the last checkpoint"),
        (RuntimeError("[gloo/unbound_buffer.cc:81] Timed out waiting 1800000ms for recv"), NOBODY),
        (DistBackendError("NCCL error: remote process exited or there was a network error"), NOBODY),
        (DistBackendError("Duplicate GPU\ndetected"), "are not connected (Duplicate GPU detected)"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ""),
        (ConnectionResetError("Connection reset by peer"), ""),  # of a download, say
    ],
)
def test_what_an_error_says(error: Exception, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_watch, "_children", [])
    found = lost_process(error)
    assert says in found
    assert bool(found) == bool(says)


def test_an_error_on_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning and torch clean up, and fail at that too."""
    monkeypatch.setattr(rank_watch, "_children", [])
    error = KeyError("work")
    error.__context__ = RuntimeError(RESET)
    assert lost_process(error)


WATCHES = """
import subprocess, sys, time
from app.common import rank_watch

rank_watch.GRACE_SECONDS = rank_watch.UNCONNECTED_SECONDS = 0.01
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
rank_watch.watch_children([child], lambda: True)
while True:  # in a collective that never ends
    time.sleep(1)
"""


@pytest.mark.parametrize(
    ("end", "how"),
    [
        ("exit(3)", "has ended with exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "was killed by SIGKILL (out of memory?)"),
    ],
)
def test_a_process_that_waits_for_one_that_is_dead_ends(end: str, how: str) -> None:
    ran = subprocess.run([sys.executable, "-c", WATCHES, end], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    goes_on = "the same command goes on from the last checkpoint"
    assert ran.stderr == f"failed: process 1 of this training {how}; {goes_on}\n"


CHILD = """
import os, sys, time
from app.common import rank_watch

rank_watch.GRACE_SECONDS = rank_watch.UNCONNECTED_SECONDS = 0.01
rank_watch.watch_parent(os.getppid(), lambda: True)
print("watches", flush=True)
while True:
    time.sleep(1)
"""
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
"""


def test_a_process_whose_first_is_gone_ends() -> None:
    ran = subprocess.run([sys.executable, "-c", PARENT, CHILD], capture_output=True, text=True, check=False)
    # The pipe is closed when the child has ended, too.
    assert ran.stderr == "failed: process 0 has ended; the same command goes on from the last checkpoint\n"
