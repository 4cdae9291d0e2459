"""The rows of a run's trainings as the run directory holds them, for what W&B has lost or never had."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.common.metrics import Schema
from app.runs.table import EARLY_STOP, FINAL, ITERATION, MetricsRow, read_metrics

ROUND, DENSITY = "round", "density"
SUMMARY = "round/"  # what the names of a round's summary begin with
ROUND_DENSITY = f"{SUMMARY}{DENSITY}"


@dataclass(frozen=True, kw_only=True)
class LoggedTraining:
    """One training of a W&B run, and the place of its rows in the run.

    Every training has `length + 2` steps of the run: its iterations, 0 included, and one for its summary. So the last
    step that W&B has of a run says which rows it has.

    Args:
        length: iterations of every training of the run.
        round: of a lottery, from 0; None for a training by `fit`.
        density: its share of weights remaining, in (0, 1].
        metrics: its metrics.csv.
        finished: what came of it, by name; None if it is in progress, or has no summary.
        with_rows: whether its rows belong to the run, or only what came of it.
    """

    length: int
    round: int | None = None
    density: float | None = None
    metrics: Path | None = None
    finished: Mapping[str, float] | None = None
    with_rows: bool = True

    @property
    def offset(self) -> int:
        """The step of the run that is its iteration 0."""
        return (self.round or 0) * (self.length + 2)

    @property
    def end(self) -> int:
        """The step of its summary."""
        return self.offset + self.length + 1

    @property
    def last_step(self) -> int:
        """The step of the run that it ends with; -1 if it has none yet."""
        return self.end if self.finished is not None else max((step for step, _ in self.rows()), default=-1)

    def row(self, values: Mapping[str, Any], step: int) -> dict[str, Any]:
        """What is logged of values at a step of the run; of a lottery, with the round, density and iteration."""
        if self.round is None:
            return dict(values)
        return {**values, ROUND: self.round, DENSITY: self.density, ITERATION: step - self.offset}

    def summary(self, values: Mapping[str, float]) -> dict[str, float]:
        """What is logged of the values that came of it, which stand against the density."""
        row = {f"{SUMMARY}{name}": value for name, value in values.items() if not math.isnan(value)}
        return {**row, f"{SUMMARY}{ROUND}": float(self.round or 0), ROUND_DENSITY: float(self.density or 0.0)}

    def rows(self, before: float = math.inf) -> Iterator[tuple[int, dict[str, float]]]:
        """Steps of the run and the metrics that were measured there, of the iterations before one."""
        found: Sequence[MetricsRow] = []
        if self.with_rows and self.metrics is not None and self.metrics.exists():
            found = read_metrics(self.metrics)
        for row in found:
            if row[ITERATION] < before:
                values = {name: value for name, value in row.items() if name != ITERATION and not math.isnan(value)}
                yield self.offset + int(row[ITERATION]), values


@dataclass
class BestValues:
    """The best value of each metric so far, by its direction; metrics without one are left out.

    Args:
        schema: the metrics; where there are none, all that is logged are inferred from their names.
    """

    schema: Schema = field(default_factory=Schema)
    values: dict[str, float] = field(default_factory=dict)

    def has_direction(self, name: str) -> bool:
        """Whether a name is that of a metric that is better one way, within a round's summary too."""
        plain = self._plain(name)
        return (not self.schema or plain in self.schema) and self.schema[plain].better != "neither"

    def update(self, row: Mapping[str, Any]) -> dict[str, float]:
        """Take a row into account, and return the metrics of which it has the best values so far."""
        better = {name: float(value) for name, value in row.items() if self._is_better(name, value)}
        self.values |= better
        return better

    def _is_better(self, name: str, value: Any) -> bool:
        if not isinstance(value, int | float) or math.isnan(value) or not self.has_direction(name):
            return False
        if (best := self.values.get(name)) is None:
            return True
        return value > best if self.schema[self._plain(name)].better == "higher" else value < best

    @staticmethod
    def _plain(name: str) -> str:
        if not name.startswith(SUMMARY):
            return name
        return name.removeprefix(SUMMARY).removeprefix(EARLY_STOP).removeprefix(FINAL)
