"""Which kernels have computed a training so far, in its checkpoints."""

from collections.abc import Mapping
from typing import Any

from app.common.kernel_sets import KERNELS, is_record, report_entries


class KernelRecord:
    """Every set of kernels that a training was computed with, in the order of their first use.

    Args:
        now: the kernels of this process.
    """

    def __init__(self, now: Mapping[str, str]) -> None:
        self.now = dict(now)
        self.all_sets: list[dict[str, Any]] = [self.now]

    def write(self, checkpoint: dict[str, Any]) -> None:
        """Write them into a checkpoint that is to be saved."""
        checkpoint[KERNELS] = self.all_sets

    def read(self, checkpoint: Mapping[str, Any]) -> None:
        """Take those of the checkpoint that the training goes on from; one of before has none."""
        before = checkpoint.get(KERNELS)
        earlier = before if is_record(before) else []
        self.all_sets = [*(dict(each) for each in earlier if each != self.now), self.now]

    def in_report(self) -> dict[str, Any]:
        """The entries of the report.json."""
        return report_entries(self.now, self.all_sets)
