"""The files of a lottery's stability, in its run directory.

runs/EXPERIMENT/stability/
  stability.csv  report/                            a row for each pair of copies; figures
  replicate_R/dense_to_Kit/                         the dense training up to iteration K, if the lottery has not kept it
  replicate_R/METHOD/round_NN/at_Kit/copy_C/        a copy that was trained from iteration K
  replicate_R/METHOD/round_NN/at_Kit/line_C_D.json  the error on the line between two copies
"""

from dataclasses import dataclass
from pathlib import Path

from app.runs.layout import NetworkKey, RunDirectory, RunLayout, TrainingLayout


@dataclass(frozen=True, slots=True)
class Point:
    """What copies are trained from.

    Args:
        key: the network whose masks they have.
        iteration: of the dense training, whose weights they begin with.
    """

    key: NetworkKey
    iteration: int

    def __str__(self) -> str:
        return f"{self.key}, from {self.iteration:,}it"


@dataclass(frozen=True)
class StabilityLayout(RunDirectory):
    """The files; `root` is the directory `stability` of a run directory."""

    @classmethod
    def of(cls, run: RunLayout) -> "StabilityLayout":
        """Those of a lottery."""
        return cls(run.root / "stability")

    @property
    def table(self) -> Path:
        """A row for each pair of copies."""
        return self.root / "stability.csv"

    @property
    def report(self) -> Path:
        """Directory of figures."""
        return self.root / "report"

    def dense(self, replicate: int, iteration: int) -> TrainingLayout:
        """The dense training up to an iteration."""
        return TrainingLayout(self.root / f"replicate_{replicate}" / f"dense_to_{iteration}it")

    def moment(self, replicate: int, iteration: int) -> Path:
        """The checkpoint of the dense training after an iteration."""
        return self.dense(replicate, iteration).root / "moment.ckpt"

    def copy(self, point: Point, number: int) -> TrainingLayout:
        """A copy."""
        return TrainingLayout(self._point(point) / f"copy_{number}")

    def line(self, point: Point, first: int, second: int) -> Path:
        """The error on the line between two copies."""
        return self._point(point) / f"line_{first}_{second}.json"

    def _point(self, point: Point) -> Path:
        return self.root / point.key.path / f"at_{point.iteration}it"
