"""Handles Ctrl-C: the first one asks a training to stop between two iterations, the second ends the process."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on(*signals: signal.Signals) -> Iterator[Callable[[], signal.Signals | None]]:
    """Within the context, record the first of these signals, and end the process at the second.

    The second raises SystemExit, because Lightning turns KeyboardInterrupt into exit code 1.

    Yields:
        A function that returns the recorded signal, None if there was none.
    """
    asked: signal.Signals | None = None

    def handle(signum: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise SystemExit(128 + signum)
        asked = signal.Signals(signum)
        if asked == signal.SIGINT:
            print("\nstopping after this iteration; Ctrl-C again stops at once", file=sys.stderr)

    before = {number: signal.signal(number, handle) for number in signals}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Within the context, the first SIGINT makes the yielded function return True; the second ends the process."""
    with stop_on(signal.SIGINT) as asked:
        yield lambda: asked() is not None
