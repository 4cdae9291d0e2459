"""The worker's side of the connection to its parent process."""

import os
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

from app.lottery.workers.messages import Begun, Order, Reached, Report, Stop, Summed


class Parent:
    """The process that started this worker. When it ends for any reason, this process exits at once.

    Args:
        connection: descriptor of the connection to the parent.

    Attributes:
        config: the whole parsed configuration.
    """

    def __init__(self, connection: int) -> None:
        os.set_inheritable(connection, False)  # processes that this one starts may outlive it
        self._connection = Connection(connection)
        self.config: dict[str, Any] = self._receive()
        self._orders: SimpleQueue[Order] = SimpleQueue()
        self._stop = Event()
        Thread(target=self._listen, daemon=True).start()

    def next_order(self) -> Order:
        """Wait for the next order."""
        return self._orders.get()

    def stop(self) -> bool:
        """Whether the parent has asked to stop."""
        return self._stop.is_set()

    def tell(self, report: Report) -> None:
        """Send a message to the parent; exit if the parent has ended."""
        try:
            self._connection.send(report)
        except OSError:
            os._exit(1)

    def begin(self, label: str, density: float | None, iterations: int) -> None:
        """Report that a training begins."""
        self.tell(Begun(label, density, iterations))

    def reach(self, iteration: int, *, resumed: bool = False) -> None:
        """Report the iteration of the training."""
        self.tell(Reached(iteration, resumed))

    def end(self, summary: str, iterations: int | None = None) -> None:
        """Report the summary of a finished training, and where it ended."""
        self.tell(Summed(summary, iterations))

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
