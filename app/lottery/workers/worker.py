"""The parent's side of a worker process."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from typing import Any

from app.lottery.workers.messages import Order, Report


class Worker:
    """A process of this command line that trains networks on orders and ends when this process ends.

    It blocks the signals that a terminal or a scheduler may send to all processes: only this process stops it.

    Args:
        config: the whole parsed configuration.
        environment: variables besides those of this process.
    """

    def __init__(self, config: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> None:
        self._connection, theirs = Pipe()
        command = [sys.executable, "-m", "app", "lottery-worker", str(theirs.fileno())]
        with _signals_blocked():  # a new process inherits the blocked signals
            self._process = subprocess.Popen(
                command,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        theirs.close()
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        os.set_blocking(self._output, False)
        self._unfinished = b""
        self.last_line = ""  # the last line that it has printed
        with suppress(OSError):  # it has ended already
            self._connection.send(config)

    @property
    def handles(self) -> tuple[int, int]:
        """Descriptors that become readable when there is something new."""
        return self._connection.fileno(), self._output

    def order(self, order: Order) -> None:
        """Send an order."""
        with suppress(OSError):  # it has ended, which `reports` will show
            self._connection.send(order)

    def reports(self) -> Iterator[Report | None]:
        """The reports since the last call; None if the worker has ended."""
        try:
            while self._connection.poll():
                yield self._connection.recv()
        except (EOFError, OSError):
            yield None

    def printed(self) -> list[str]:
        """The complete lines that it has printed since the last call."""
        found = b""
        with suppress(BlockingIOError):
            while chunk := os.read(self._output, 65536):
                found += chunk
        *lines, self._unfinished = (self._unfinished + found).split(b"\n")
        texts = [line.decode(errors="replace").rstrip() for line in lines]
        self.last_line = next((text for text in reversed(texts) if text.strip()), self.last_line)
        return texts

    def end(self) -> str:
        """Wait until the process has ended, and close the connections to it.

        Returns:
            How it ended, such as "was killed by SIGKILL".
        """
        code = self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._connection.close()
        if code < 0:
            memory = " (out of memory?)" if code == -signal.SIGKILL else ""
            return f"was killed by {signal.Signals(-code).name}{memory}"
        return f"ended with exit code {code}" + (f" ({self.last_line})" if self.last_line else "")

    def kill(self) -> None:
        """Kill the process at once; files are written atomically and stay complete."""
        self._process.kill()


@contextmanager
def _signals_blocked() -> Iterator[None]:
    blocked = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
