"""metrics.csv of a training by `fit`: one row per validation, with the columns that its module and callbacks log."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.common.errors import UserError
from app.common.files import write_atomically


class HistoryFile:
    """Rows are appended as they come, and cut back on resuming.

    Args:
        path: of the file.
        names: its columns, after `iteration`.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path = path
        self.columns = ["iteration", *names]

    def cut(self, rows: int) -> None:
        """Keep the first `rows` rows; 0 makes a new file with its header."""
        kept = read_history(self.path)[:rows] if rows else []
        write_atomically(self.path, self._csv([self.columns, *([row[name] for name in self.columns] for row in kept)]))

    def append(self, row: Mapping[str, float]) -> None:
        """Add one row; it is in the system's hands when this returns, so that a killed process keeps it."""
        with open(self.path, "a", newline="") as file:
            file.write(self._csv([[row[name] for name in self.columns]]))

    @staticmethod
    def _csv(rows: Sequence[Sequence[float | str]]) -> str:
        text = io.StringIO()
        empty = [["" if isinstance(cell, float) and math.isnan(cell) else cell for cell in row] for row in rows]
        csv.writer(text, lineterminator="\n").writerows(empty)
        return text.getvalue()


def read_history(path: Path) -> list[dict[str, float]]:
    """All whole rows; a last line that a killed process left unfinished is passed over. Empty cells are nan.

    Raises:
        UserError: the file is missing, or a row that is not numbers.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable table ({error})") from None
    reader = csv.reader(io.StringIO(text[: text.rfind("\n") + 1]))
    columns = next(reader, [])
    rows = []
    for cells in reader:
        try:
            numbers = [math.nan if cell == "" else float(cell) for cell in cells]
            row = dict(zip(columns, numbers, strict=True))
            row["iteration"] = int(row["iteration"])
        except (ValueError, KeyError, OverflowError) as error:
            raise UserError(f"{path}, line {reader.line_num}: not a row of this table ({error})") from None
        rows.append(row)
    return rows
