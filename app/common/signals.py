"""Handles the signals that ask a process to end: a training is saved between two iterations, all else ends at once."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from app.common.errors import Interrupted
from app.common.rank_watch import lost_process

SAVING_SECONDS = 60.0

Handler = Callable[[int, FrameType | None], None]


class StoppedAtOnce(SystemExit):
    """A signal has ended the process wherever it was; files are written atomically. Exit code 128 + signal.

    Args:
        number: of the signal.
        requeue: whether SLURM is to run the job again.
    """

    def __init__(self, number: int, *, requeue: bool = False) -> None:
        super().__init__(128 + number)
        self.signal = signal.Signals(number)
        self.requeue = requeue


@contextmanager
def stop_on_signals(requeue: signal.Signals | None = None) -> Iterator[Callable[[], int]]:
    """Within the context, the first signal is a request to stop, and the second ends the process.

    The signals are SIGINT, SIGTERM and the one by which SLURM announces that a job's time is over. One that this
    process was started to ignore, as SIGINT of a background job, stays ignored. An `Interrupted` that leaves the
    context names the signal.

    SLURM waits for `SAVING_SECONDS` at least. What has not stopped by then, as in the midst of a long validation, ends
    wherever it is: the job is to run again in any case, and goes on from its last checkpoint.

    Args:
        requeue: the signal after which SLURM is to run the job again, if there is one.

    Yields:
        A function that returns the number of the signal that has come; 0 if none has.

    Raises:
        StoppedAtOnce: at the second signal, or where a request has not been followed in time.
    """
    asked: signal.Signals | None = None

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked and number != signal.SIGALRM:
            raise StoppedAtOnce(number, requeue=number == requeue)
        if asked:
            raise StoppedAtOnce(asked, requeue=True)
        if number == signal.SIGALRM:  # somebody else's
            return
        asked = signal.Signals(number)
        if asked == signal.SIGINT:
            with suppress(OSError):  # not by `print`, which the signal may have interrupted
                os.write(2, b"\nstopping after this iteration; Ctrl-C again stops at once\n")
        if asked == requeue:
            signal.setitimer(signal.ITIMER_REAL, SAVING_SECONDS)

    signals = {signal.SIGINT, signal.SIGTERM} | ({requeue, signal.SIGALRM} if requeue is not None else set())
    with _handling(signals, handle):
        try:
            yield lambda: asked or 0
        except Interrupted as error:
            by = asked or error.signal  # of another rank, where none has come here
            raise Interrupted(by, requeue=by == requeue) from None
        except Exception as error:
            if asked and lost_process(error):  # which had the same signal
                raise StoppedAtOnce(asked, requeue=asked == requeue) from None
            raise
        finally:
            if asked is not None and asked == requeue:
                signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def end_on_signals(requeue: signal.Signals | None = None) -> Iterator[None]:
    """Within the context, SIGTERM raises `StoppedAtOnce`; without it, the process would end without a word.

    Args:
        requeue: a signal that does so too, and after which SLURM is to run the job again.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        raise StoppedAtOnce(number, requeue=number == requeue)

    with _handling({signal.SIGTERM} | ({requeue} if requeue is not None else set()), handle):
        yield


def in_job() -> bool:
    """Whether this is a process of a SLURM job that may run again, as Lightning tells them from a user at a prompt."""
    interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return "SLURM_JOB_ID" in os.environ and "SLURM_NTASKS" in os.environ and not interactive


def no_requeue() -> None:
    """Leave the signal that announces the end of a job's time to Lightning, or to nobody."""
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGUSR1"):
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)


def requeue_job(*, by_any: bool = False) -> str:
    """Ask SLURM to run the job of this process again.

    Args:
        by_any: whether every process of the job asks, as where the first may not come to it; SLURM needs one.

    Returns:
        What has come of it, in words; empty in all processes of a job but the first.
    """
    first = os.environ.get("SLURM_PROCID", "0") == "0"
    if not first and not by_any:
        return ""
    job = os.environ.get("SLURM_JOB_ID", "")
    if array := os.environ.get("SLURM_ARRAY_JOB_ID"):
        job = f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID', '')}"
    try:
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
        refused = (" ".join(done.stderr.split()) or str(done.returncode)) if done.returncode else ""
    except OSError as error:
        refused = error.strerror or str(error)
    if not first:
        return ""
    return f"job {job} is not queued again (scontrol: {refused})" if refused else f"SLURM runs job {job} again"


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
