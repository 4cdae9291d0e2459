"""Ctrl-C asks a training to stop between two iterations; a second one does not ask."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Within, the first SIGINT only makes the yielded function return True; the second ends the process.

    Not by KeyboardInterrupt, which Lightning turns into exit code 1.
    """
    asked = False

    def handle(signum: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise SystemExit(130)
        asked = True
        print("\nstopping after this iteration; Ctrl-C again stops at once", file=sys.stderr)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
