"""stability.csv of a run directory, and the same for the terminal."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.text_files import read_text
from app.pruning.interpolation import STABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class StabilityRow:
    """The error on the line between two copies of a network.

    Args:
        experiment: name of the lottery.
        replicate: of the network.
        method: of the network; dense for round 0.
        round: of the network.
        density: share of weights remaining.
        iteration: of the dense training, whose weights the copies begin with.
        first: number of a copy.
        second: number of the other.
        metric: whose error it is: the distance to its greatest value, as a share of that.
        error_first: of the first copy.
        error_second: of the second copy.
        error_highest: on the line.
        barrier: the highest error minus the mean error of the two copies.
        line: the file of the errors, relative to the directory of the table.
    """

    experiment: str
    replicate: int
    method: str
    round: int
    density: float
    iteration: int
    first: int
    second: int
    metric: str
    error_first: float
    error_second: float
    error_highest: float
    barrier: float
    line: str

    @property
    def pair(self) -> tuple[int, str, int, int, int, int]:
        """What the row is of, in the order of rows."""
        return self.replicate, self.method, self.round, self.iteration, self.first, self.second

    @property
    def stable(self) -> bool:
        """Whether the barrier is below 2 % (Frankle et al. 2020, section 3)."""
        return self.barrier < STABLE


COLUMNS = [field.name for field in fields(StabilityRow)]
WORDS = ("experiment", "method", "metric", "line")
WHOLE = ("replicate", "round", "iteration", "first", "second")


def read_rows(path: Path) -> list[StabilityRow]:
    """All rows of a stability.csv; none where there is no file.

    Raises:
        UserError: it is no such table.
    """
    if not path.exists():
        return []
    rows = csv.DictReader(io.StringIO(read_text(path)[0]), strict=True)
    try:
        return [StabilityRow(**{name: _value(name, row[name]) for name in COLUMNS}) for row in rows]
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise UserError(
            f"{path}: not a table of stability ({error}); delete it, and the same command writes it again"
        ) from None


def _value(column: str, cell: str) -> Any:
    return cell if column in WORDS else int(cell) if column in WHOLE else float(cell)


def write_rows(path: Path, rows: Iterable[StabilityRow]) -> None:
    """Write stability.csv, sorted."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(row) for row in sorted(rows, key=lambda row: row.pair))
    write_atomically(path, text.getvalue())


def stability_table(rows: Sequence[StabilityRow]) -> Group:
    """A line per pair of copies.

    Args:
        rows: of one lottery, at least one.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in (
        *("network", "repli-\ncate", "% of\nweights", "from\nstep"),
        *("pair", "their\nerror", "peak", "barrier", "stable"),
    ):
        table.add_column(name, justify="left" if name == "network" else "right", no_wrap=True)
    for row in rows:
        values = ((row.error_first + row.error_second) / 2, row.error_highest, row.barrier)
        table.add_row(
            f"{row.method} {row.round}" if row.round else row.method,
            str(row.replicate),
            f"{100 * row.density:.2f}".removesuffix(".00"),
            f"{row.iteration:,}",
            f"{row.first}, {row.second}",
            *(f"{100 * value:.2f}" for value in values),
            "yes" if row.stable else "no",
        )
    title = f"{rows[0].experiment}: error on the line between two copies, in % ({rows[0].metric})"
    return Group(Text(title, style="bold"), "", table)
