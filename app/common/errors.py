"""What ends a command early and is worth one line: what every room may raise."""

import errno


class UserError(ValueError):
    """A mistake that its maker can mend: says what was wrong, where, and what to do. Exit code 2."""


class RunError(RuntimeError):
    """A run that was asked for correctly and failed: says what happened and what was kept. Exit code 1."""


class Interrupted(Exception):  # noqa: N818 - no error: somebody asked for it
    """A training stopped because it was asked to; its checkpoint holds everything so far. Exit code 130."""


def explain(error: OSError) -> str:
    """What the system refused, as one line without a full stop."""
    where = f" at {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full{where}; free some, and the same command goes on from the last checkpoint"
    return f"{error.strerror or error}{where}"
