"""The process that a worker works for, as seen from the worker."""

import os
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

from app.lottery.workers.messages import Begun, Order, Reached, Report, Stop, Summed


class Superior:
    """The process that started this one, as seen from here. When it ends, however it ends, so does this one, at once.

    Args:
        connection: descriptor of the connection to it.
        lock: descriptor of the run directory's lock, to be kept for as long as this process is there.

    Attributes:
        config: the whole parsed configuration.
    """

    def __init__(self, connection: int, lock: int) -> None:
        for descriptor in (connection, lock):
            os.set_inheritable(descriptor, False)  # what this process starts may outlive it
        self._connection = Connection(connection)
        self.config: dict[str, Any] = self._receive()
        self._orders: SimpleQueue[Order] = SimpleQueue()
        self._stop = Event()
        Thread(target=self._listen, daemon=True).start()

    def next_order(self) -> Order:
        """Wait for what it asks for next."""
        return self._orders.get()

    def stop(self) -> bool:
        """Whether it has asked to stop."""
        return self._stop.is_set()

    def tell(self, report: Report) -> None:
        """Send it a message."""
        try:
            self._connection.send(report)
        except OSError:
            os._exit(1)

    def begin(self, label: str, density: float | None, iterations: int) -> None:
        """A training begins."""
        self.tell(Begun(label, density, iterations))

    def reach(self, iteration: int, *, resumed: bool = False) -> None:
        """It has come so far."""
        self.tell(Reached(iteration, resumed))

    def end(self, summary: str) -> None:
        """It is finished."""
        self.tell(Summed(summary))

    def _listen(self) -> None:
        while True:
            order = self._receive()
            if isinstance(order, Stop):
                self._stop.set()
            self._orders.put(order)

    def _receive(self) -> Any:
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            os._exit(1)
