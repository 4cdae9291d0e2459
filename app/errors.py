"""What ends a command early and is worth one line: what every room may raise."""


class UserError(ValueError):
    """A mistake that its maker can mend: says what was wrong, where, and what to do. Exit code 2."""


class RunError(RuntimeError):
    """A run that was asked for correctly and failed: says what happened and what was kept. Exit code 1."""


class Interrupted(Exception):  # noqa: N818 - no error: somebody asked for it
    """A training stopped because it was asked to; its checkpoint holds everything so far. Exit code 130."""
