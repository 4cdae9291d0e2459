"""Rows in, tables out: the only reader and writer of metrics.csv and results.csv."""

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from app.common.errors import UserError
from app.common.files import write_atomically
from app.runs.layout import METHODS, NetworkKey

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """One row of metrics.csv. Losses in nats per image, accuracies as fractions of 1.

    Train values are means over the iterations since the row before; there are none at iteration 0 (nan).
    """

    iteration: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    test_loss: float
    test_accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row of results.csv: one trained network."""

    experiment: str
    replicate: int
    method: str
    round: int
    branch: int
    density: float
    early_stop_iteration: int
    early_stop_val_loss: float
    early_stop_test_accuracy: float
    final_test_accuracy: float
    final_train_accuracy: float
    seconds: float

    @property
    def key(self) -> NetworkKey:
        """Which network the row is about."""
        return NetworkKey(self.replicate, self.method, self.round, self.branch)


def early_stop(rows: Iterable[Metrics]) -> Metrics:
    """The row of minimum validation loss, the earliest on ties (Frankle & Carbin, section 2).

    Found afterwards: training always runs its full length.
    """
    return min(rows, key=lambda row: (row.val_loss, row.iteration))


METRIC_NAMES = [field.name for field in fields(Metrics) if field.name != "iteration"]


class MetricsFile:
    """metrics.csv of a training in progress: rows are appended as they come, and cut back on resuming."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def cut(self, rows: int) -> None:
        """Keep the first `rows` rows; 0 makes a new file with its header."""
        write_atomically(self.path, _to_csv(Metrics, read_metrics(self.path)[:rows] if rows else []))

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one row; it is in the system's hands when this returns, so that a killed process keeps it."""
        with open(self.path, "a", newline="") as file:
            _writer(file, Metrics).writerow(_encode(Metrics(**row)))


def read_metrics(path: Path) -> list[Metrics]:
    """All whole rows of a metrics.csv; a last line that a killed process left unfinished is passed over.

    Raises:
        UserError: the file is missing, has other columns, or a row that is not numbers.
    """
    return _read(Metrics, path, tolerate_last=True)


def read_results(path: Path) -> list[Result]:
    """All rows of a results.csv.

    Raises:
        UserError: the file is missing, has other columns, or a row that does not make sense.
    """
    rows = _read(Result, path)
    for row in rows:
        if row.method not in METHODS:
            raise UserError(f"{path}: method {row.method!r} is none of {', '.join(METHODS)}; was it edited by hand?")
    return rows


def write_results(path: Path, rows: Iterable[Result]) -> None:
    """Write results.csv whole, sorted, atomically."""
    write_atomically(path, _to_csv(Result, sorted(rows, key=lambda row: row.key.order)))


def _encode(row: Any) -> dict[str, Any]:
    return {
        name: ("" if isinstance(value, float) and math.isnan(value) else value) for name, value in asdict(row).items()
    }


def _writer(file: Any, kind: type) -> "csv.DictWriter[str]":
    return csv.DictWriter(file, [field.name for field in fields(kind)], lineterminator="\n")


def _to_csv(kind: type, rows: Iterable[Any]) -> str:
    text = io.StringIO()
    writer = _writer(text, kind)
    writer.writeheader()
    writer.writerows(map(_encode, rows))
    return text.getvalue()


def _decode(kind: type[Row], record: Mapping[str, str]) -> Row:
    convert = {int: int, float: lambda text: float(text) if text else math.nan, str: str}
    return kind(**{field.name: convert[field.type](record[field.name]) for field in fields(kind)})  # type: ignore


def _read(kind: type[Row], path: Path, *, tolerate_last: bool = False) -> list[Row]:
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; has anything been trained there yet?") from None
    except (UnicodeDecodeError, IsADirectoryError, PermissionError) as error:
        raise UserError(f"{path}: not a readable table ({error})") from None
    if tolerate_last:
        text = text[: text.rfind("\n") + 1]
    reader = csv.DictReader(io.StringIO(text), strict=True)
    rows = []
    try:
        if reader.fieldnames != names:
            raise UserError(f"{path}: its columns are {reader.fieldnames}, expected {names}; was it edited by hand?")
        for record in reader:
            if None in record:
                raise ValueError("too many cells")
            rows.append(_decode(kind, record))
    except (TypeError, ValueError, KeyError, csv.Error) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}, line {reader.line_num}: not a row of this table ({error})") from None
    return rows
