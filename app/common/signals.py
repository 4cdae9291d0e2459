"""Handles the signals that ask a process to end: a training is saved between two iterations, all else ends at once."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from app.common.errors import Interrupted

Handler = Callable[[int, FrameType | None], None]


class StoppedAtOnce(SystemExit):
    """A signal has ended the process wherever it was; files are written atomically. Exit code 128 + signal.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal = signal.Signals(number)


@contextmanager
def stop_on_signals(requeue: signal.Signals | None = None) -> Iterator[Callable[[], bool]]:
    """Within the context, the first signal is a request to stop, and the second ends the process.

    The signals are SIGINT, SIGTERM and the one by which SLURM announces that a job's time is over. One that this
    process was started to ignore, as SIGINT of a background job, stays ignored. An `Interrupted` that leaves the
    context names the signal.

    Args:
        requeue: the signal after which SLURM is to run the job again, if there is one.

    Yields:
        A function that returns whether a signal has come.

    Raises:
        StoppedAtOnce: at the second signal.
    """
    asked: signal.Signals | None = None

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise StoppedAtOnce(number)
        asked = signal.Signals(number)
        if asked == signal.SIGINT:
            with suppress(OSError):  # not by `print`, which the signal may have interrupted
                os.write(2, b"\nstopping after this iteration; Ctrl-C again stops at once\n")

    signals = {signal.SIGINT, signal.SIGTERM} | ({requeue} if requeue is not None else set())
    with _handling(signals, handle):
        try:
            yield lambda: asked is not None
        except Interrupted:
            by = asked or signal.SIGINT  # of another rank, where none has come here
            raise Interrupted(by, requeue=by == requeue) from None


@contextmanager
def end_on_sigterm() -> Iterator[None]:
    """Within the context, SIGTERM raises `StoppedAtOnce`; without it, the process would end without a word."""

    def handle(number: int, frame: FrameType | None) -> None:
        raise StoppedAtOnce(number)

    with _handling({signal.SIGTERM}, handle):
        yield


def requeue_job() -> str:
    """Ask SLURM to run the job of this process again.

    Returns:
        What has come of it, in words; empty in all processes of a job but the first.
    """
    if os.environ.get("SLURM_PROCID", "0") != "0":
        return ""
    job = os.environ.get("SLURM_JOB_ID", "")
    if array := os.environ.get("SLURM_ARRAY_JOB_ID"):
        job = f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID', '')}"
    try:
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
    except OSError as error:
        return f"job {job} is not queued again (scontrol: {error.strerror})"
    if done.returncode:
        return f"job {job} is not queued again (scontrol: {' '.join(done.stderr.split()) or done.returncode})"
    return f"SLURM runs job {job} again"


@contextmanager
def _handling(signals: set[signal.Signals], handle: Handler) -> Iterator[None]:
    """Within the context, this process handles some signals; those that it forks, such as a loader's, do not."""
    owner = os.getpid()

    def handle_here(number: int, frame: FrameType | None) -> None:
        if os.getpid() == owner:
            handle(number, frame)
        elif number == signal.SIGTERM:  # by which the owner ends them
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)

    if threading.current_thread() is not threading.main_thread():  # others get no signals
        yield
        return
    before = {number: signal.getsignal(number) for number in signals}
    # `None` is a handler that was not installed from Python, and cannot be put back.
    before = {number: old for number, old in before.items() if old not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, handle_here)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
