"""The exceptions that end a command with a message of one line; every package may raise them."""

import errno
import signal


class UserError(ValueError):
    """An error that the user can fix: the message says what was wrong, where, and what to do. Exit code 2."""


class RunError(RuntimeError):
    """A correct command that failed: the message says what happened and what was kept. Exit code 1."""


class Interrupted(Exception):  # noqa: N818 - the user asked for it, so it is no error
    """A training stopped because it was asked to; its checkpoint holds everything so far. Exit code 128 + signal.

    Args:
        signal: that asked.
        requeue: whether SLURM is to run the job again.
    """

    def __init__(self, signal: signal.Signals = signal.SIGINT, *, requeue: bool = False) -> None:
        super().__init__()
        self.signal = signal
        self.requeue = requeue


def first_line(error: object) -> str:
    """The first line of what an error says, without a full stop; its kind where it says nothing."""
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__


def explain(error: OSError) -> str:
    """The reason of a system error as one line without a full stop."""
    where = f" at {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full{where}; free some space, and the same command goes on from the last checkpoint"
    return f"{error.strerror or error}{where}"
