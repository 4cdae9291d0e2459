"""Reads and writes metrics.csv and results.csv."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.common.errors import UserError
from app.common.files import sync, write_atomically
from app.common.metrics import SUPERMASK
from app.common.text_files import read_text
from app.runs.layout import NetworkKey

# One row of metrics.csv: `iteration`, and the value of each metric, nan if it was not measured.
MetricsRow = dict[str, float]

ITERATION = "iteration"
HEAD: dict[str, type] = {
    "experiment": str,
    "replicate": int,
    "method": str,
    "round": int,
    "branch": int,
    "density": float,
    "early_stop_iteration": int,
}
ITERATIONS, SECONDS = "iterations", "seconds"
EARLY_STOP, FINAL = "early_stop_", "final_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row of results.csv: one trained network.

    Args:
        experiment: name of the experiment.
        replicate: as in `NetworkKey`.
        method: name of the method.
        round: number of prunings.
        branch: number of the network among those of a control.
        density: share of weights remaining.
        early_stop_iteration: iteration of the best validation.
        values: by column `early_stop_METRIC`, the metric at that iteration, `final_METRIC`, the metric at the end of
            training, and `supermask_METRIC`, the metric before it.
        seconds: duration of the training.
        iterations: optimiser steps after which the training ended; None in rows from before there was this column.
    """

    experiment: str
    replicate: int
    method: str
    round: int
    branch: int
    density: float
    early_stop_iteration: int
    values: Mapping[str, float]
    seconds: float
    iterations: int | None = None

    @property
    def key(self) -> NetworkKey:
        """The identity of the network, without the method that it is a control of."""
        return NetworkKey(self.replicate, self.method, self.round, self.branch)

    def value(self, column: str) -> float:
        """The number in a column; nan if the row has no such column."""
        if column in self.values:
            return self.values[column]
        found = getattr(self, column) if column in (*HEAD, ITERATIONS, SECONDS) else None
        return math.nan if found is None or isinstance(found, str) else float(found)

    def flat(self) -> dict[str, Any]:
        """The row as one dictionary, in the order of the columns."""
        head = {name: getattr(self, name) for name in HEAD}
        return {**head, **self.values, ITERATIONS: self.iterations, SECONDS: self.seconds}

    @classmethod
    def from_flat(cls, row: Mapping[str, Any]) -> "Result":
        """The inverse of `flat`.

        Raises:
            ValueError, TypeError, KeyError: a column is missing or unknown, or a value is invalid.
        """
        head = {name: kind(row[name]) for name, kind in HEAD.items()}
        numbers = {name: math.nan if value is None else float(value) for name, value in row.items() if name not in HEAD}
        trained = numbers.pop(ITERATIONS, math.nan)
        values = {name: value for name, value in numbers.items() if name != SECONDS}
        if strange := [name for name in values if not name.startswith((EARLY_STOP, FINAL, SUPERMASK))]:
            raise ValueError(f"unknown column {strange[0]!r}")
        iterations = None if math.isnan(trained) else int(trained)
        return cls(**head, values=values, seconds=numbers[SECONDS], iterations=iterations)


class MetricsFile:
    """metrics.csv of a training in progress: rows are appended, and removed again on resuming.

    Args:
        path: the file.
        names: the columns after `iteration`, as far as they are known; a row with other names adds columns.
    """

    def __init__(self, path: Path, names: Sequence[str] = ()) -> None:
        self.path = path
        self._columns = [ITERATION, *names]
        self._synced = False

    def cut(self, rows: int, checkpoint: Path | None = None) -> None:
        """Keep the first `rows` rows; 0 begins a new file with a header.

        Args:
            rows: that the checkpoint counts from which the training goes on.
            checkpoint: its path; by default all those beside the file.

        Raises:
            UserError: there are fewer.
        """
        kept = read_metrics(self.path)[:rows] if rows else []
        if len(kept) < rows:
            raise UserError(
                f"{self.path}: {len(kept)} rows, and the checkpoint counts {rows}; some were lost or removed. "
                f"rm {checkpoint or self.path.parent / '*.ckpt'}, and the same command trains this network again"
            )
        self._columns = list(dict.fromkeys([*self._columns, *(name for row in kept[:1] for name in row)]))
        self._write(kept)

    def append(self, *rows: Mapping[str, float]) -> None:
        """Add rows and hand them to the system, so that they survive if the process is killed."""
        self._synced = False
        if new := list(dict.fromkeys(name for row in rows for name in row if name not in self._columns)):
            before = read_metrics(self.path)
            self._columns += new
            self._write([*before, *map(dict, rows)])
            return
        with open(self.path, "a", newline="") as file:
            file.write(_csv(map(self._cells, rows)))

    def sync(self) -> None:
        """Wait until all rows are on the disk, so that they survive a loss of power."""
        if not self._synced:
            sync(self.path)
            self._synced = True

    def _write(self, rows: Sequence[Mapping[str, float]]) -> None:
        write_atomically(self.path, _csv([self._columns, *map(self._cells, rows)]))

    def _cells(self, row: Mapping[str, float]) -> list[float]:
        return [row.get(name, math.nan) for name in self._columns]


def read_metrics(path: Path) -> list[MetricsRow]:
    """All complete rows of a metrics.csv; an incomplete last line, left by a killed process, is ignored.

    Raises:
        UserError: the file is missing, or a row holds something other than numbers.
    """
    text = _text(path)
    reader = csv.reader(io.StringIO(text[: text.rfind("\n") + 1]))
    columns = next(reader, [])
    rows = []
    try:
        for cells in reader:
            numbers = [math.nan if cell == "" else float(cell) for cell in cells]
            row = dict(zip(columns, numbers, strict=True))
            row[ITERATION] = int(row[ITERATION])
            rows.append(row)
    except (ValueError, KeyError, OverflowError, csv.Error) as error:
        raise UserError(f"{path}, line {reader.line_num}: not a row of this table ({error})") from None
    return rows


def read_results(path: Path) -> list[Result]:
    """All rows of a results.csv.

    Raises:
        UserError: the file is missing, lacks a column, or has an invalid row.
    """
    reader = csv.DictReader(io.StringIO(_text(path)), strict=True)
    rows = []
    try:
        columns = list(reader.fieldnames or [])
        if missing := [name for name in (*HEAD, SECONDS) if name not in columns]:
            raise UserError(f"{path}: has no column {', '.join(missing)}; was it edited by hand?")
        for record in reader:
            if None in record or None in record.values():
                raise ValueError("too many or too few cells")
            filled = {
                name: "nan" if cell == "" and HEAD.get(name) is not str else cell for name, cell in record.items()
            }
            rows.append(Result.from_flat(filled))
    except (TypeError, ValueError, KeyError, csv.Error) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}, line {reader.line_num}: not a row of this table ({error})") from None
    return rows


def write_results(path: Path, rows: Iterable[Result]) -> None:
    """Write results.csv atomically, with the rows in the given order."""
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    # Early-stop columns precede final ones, each in the order of metrics, which may differ between networks.
    values = [name for prefix in (EARLY_STOP, FINAL, SUPERMASK) for name in names if name.startswith(prefix)]
    columns = [*HEAD, *values, ITERATIONS, SECONDS]
    write_atomically(path, _csv([columns, *([row.flat().get(name, math.nan) for name in columns] for row in rows)]))


def _text(path: Path) -> str:
    if not path.exists():
        raise UserError(f"{path}: no such file; has anything been trained there yet?")
    return read_text(path)[0]


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    empty = [["" if isinstance(cell, float) and math.isnan(cell) else cell for cell in row] for row in rows]
    csv.writer(text, lineterminator="\n").writerows(empty)
    return text.getvalue()
