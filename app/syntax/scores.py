"""Judgements as a table in a file, written and read again."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from app.common.errors import UserError
from app.common.text_files import read_lines
from app.syntax.judgements import COUNTS, Judgement, Tally
from app.syntax.table import TERMS

NAMES = ("row", "term", "case", "condition", "comparison")
COLUMNS = ("model", *NAMES, *COUNTS, "accuracy", "accuracy_known")


def to_csv(model: str, judgements: Iterable[Judgement]) -> str:
    """One line per comparison and condition, in full precision.

    Args:
        model: what to call it beside others.
        judgements: of all conditions.

    Returns:
        Columns `COLUMNS`: counts as in `Tally`, accuracies as fractions of 1, empty where there is nothing to count.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for judgement in judgements:
        tally = judgement.tally
        names = [getattr(judgement, name) for name in NAMES]
        counts = [getattr(tally, name) for name in COUNTS]
        writer.writerow([model, *names, *counts, _cell(tally.accuracy), _cell(tally.accuracy_known)])
    return text.getvalue()


def read_csv(path: Path) -> tuple[str, list[Judgement]]:
    """The model's name and its judgements, from what `to_csv` wrote.

    Raises:
        UserError: not a file that can be read, or one that holds something else; names the line.
    """
    lines = read_lines(path)
    if tuple(next(csv.reader(lines[:1]))) != COLUMNS:
        raise UserError(f"{path}, line 1: not the columns of a scores.csv; give one that syntax wrote")
    models, judgements = zip(*_rows(path, lines), strict=True) if len(lines) > 1 else ((), ())
    if len(set(models)) != 1:
        raise UserError(f"{path}: holds the scores of {len(set(models))} models; expected those of one")
    return models[0], list(judgements)


def _rows(path: Path, lines: Sequence[str]) -> Iterator[tuple[str, Judgement]]:
    for number, line in enumerate(lines[1:], start=2):
        try:
            row = dict(zip(COLUMNS, next(csv.reader([line])), strict=False))
            counts = {name: int(row[name]) for name in COUNTS}
            if not min(counts.values()) >= 0 or max(counts.values()) > counts["items"] or row["term"] not in TERMS:
                raise ValueError
        except (KeyError, ValueError, StopIteration, csv.Error):
            raise UserError(f"{path}, line {number}: no line of a scores.csv; let syntax write it again") from None
        yield row["model"], Judgement(**{name: row[name] for name in NAMES}, tally=Tally(**counts))


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)
