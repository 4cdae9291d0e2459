"""Waiting without a clock: a loaded machine may take as long as it takes. A test that hangs shows where it does."""

import subprocess
import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], process: "subprocess.Popen[str] | None" = None) -> None:
    """Wait for something that others do, or until the process that does it has ended."""
    while not condition() and (process is None or process.poll() is None):
        time.sleep(0.01)
