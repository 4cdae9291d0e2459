"""What a worker tells of a network that failed."""

import errno
import os

import pytest

from app.common.errors import RunError
from app.lottery.workers.messages import Failed, Ready, Report, Train
from app.lottery.workers.serve import serve
from app.runs.layout import NetworkKey


class OneOrder:
    """A parent that orders one network and notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Report] = []

    def stop(self) -> bool:
        return False

    def next_order(self) -> Train:
        assert self.told == [Ready()], "a worker ends after a failure"
        return Train(NetworkKey(2, "one_shot", 1))

    def tell(self, report: Report) -> None:
        self.told.append(report)


@pytest.mark.parametrize(
    ("error", "says", "tracebacks"),
    [
        (RunError("loss is nan at iteration 3"), "loss is nan at iteration 3", 0),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "somewhere"),
            "the disk is full at somewhere; free some space, and the same command goes on",
            0,
        ),
        (ZeroDivisionError("by\nzero"), "ZeroDivisionError: by zero", 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_the_reason_is_one_line(
    error: Exception, says: str, tracebacks: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(key: NetworkKey) -> None:
        raise error

    parent = OneOrder()
    serve(parent, train, lambda: None)
    ready, failed = parent.told
    assert ready == Ready()
    assert isinstance(failed, Failed)
    assert failed.reason.startswith(says)
    assert "\n" not in failed.reason
    assert capsys.readouterr().err.count("Traceback") == tracebacks
