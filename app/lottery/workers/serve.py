"""The main loop of a worker."""

import sys
import traceback
from collections.abc import Callable

from app.common.errors import Interrupted, RunError, UserError, explain
from app.lottery.workers.messages import Completed, Elsewhere, Failed, Ready, Release, Train
from app.lottery.workers.parent import Parent
from app.runs.layout import NetworkKey


def serve(parent: Parent, train: Callable[[NetworkKey], bool], release: Callable[[], None]) -> None:
    """Train the networks that the parent orders, until it asks to stop or a network fails.

    After a failed training the worker ends, and a new one with fresh memory replaces it.

    Args:
        parent: the process that sends orders and receives reports.
        train: trains a network until its directory is complete, and returns whether it did; it does not where another
            process trains it. Raises `Interrupted` if it was asked to stop.
        release: closes what is kept open between the rounds of a series.
    """
    parent.tell(Ready())
    while not parent.stop():
        order = parent.next_order()
        if isinstance(order, Release):
            release()
            parent.tell(Ready())
        if not isinstance(order, Train):
            continue
        try:
            trained = train(order.key)
        except Interrupted:
            return
        except Exception as error:
            parent.tell(Failed(_reason(error)))
            return
        parent.tell(Completed() if trained else Elsewhere())


def _reason(error: Exception) -> str:
    if isinstance(error, RunError | UserError):
        return str(error)
    if isinstance(error, OSError):
        return explain(error)
    traceback.print_exception(error, file=sys.stderr)
    return " ".join(f"{type(error).__name__}: {error}".split())
