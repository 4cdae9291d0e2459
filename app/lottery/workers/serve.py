"""A worker: trains one network after the other, as it is told."""

import sys
import traceback
from collections.abc import Callable

from app.common.errors import Interrupted, RunError, UserError, explain
from app.lottery.workers.messages import Failed, Finished, Ready, Release, Train
from app.lottery.workers.parent import Superior
from app.runs.layout import NetworkKey


def serve(superior: Superior, train: Callable[[NetworkKey], object], release: Callable[[], None]) -> None:
    """Train what is ordered until told to stop, or until a network fails.

    What a failed training leaves in memory is not worth a thought: the worker ends, and a new one takes its place.

    Args:
        superior: orders, and is told.
        train: trains a network until its directory is finished; raises `Interrupted` where it was asked to stop.
        release: closes what is kept open between the rounds of a series.
    """
    superior.tell(Ready())
    while not superior.stop():
        order = superior.next_order()
        if isinstance(order, Release):
            release()
            superior.tell(Ready())
        if not isinstance(order, Train):
            continue
        try:
            train(order.key)
        except Interrupted:
            return
        except Exception as error:
            superior.tell(Failed(_reason(error)))
            return
        superior.tell(Finished())


def _reason(error: Exception) -> str:
    if isinstance(error, RunError | UserError):
        return str(error)
    if isinstance(error, OSError):
        return explain(error)
    traceback.print_exception(error, file=sys.stderr)
    return " ".join(f"{type(error).__name__}: {error}".split())
