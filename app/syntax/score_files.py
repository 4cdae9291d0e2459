"""Writes condition scores as CSV and reads them."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from app.common.errors import UserError
from app.common.text_files import read_lines
from app.syntax.condition_scores import COUNTS, ConditionScore, Tally
from app.syntax.table import TERMS

NAMES = ("row", "term", "case", "condition", "comparison")
COLUMNS = ("model", *NAMES, *COUNTS, "accuracy", "accuracy_known")
OUTCOMES = ("outcomes", "sentences")
OUTCOME_COLUMNS = (*NAMES, *OUTCOMES)


def to_csv(model: str, scores: Iterable[ConditionScore]) -> str:
    """Format scores as CSV, one line per comparison and condition, in full precision.

    Args:
        model: the model's name, for comparisons with other models.
        scores: the scores of all conditions.

    Returns:
        Columns `COLUMNS`: counts as in `Tally`, accuracies as fractions of 1, empty where there are no items.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for score in scores:
        tally = score.tally
        names = [getattr(score, name) for name in NAMES]
        counts = [getattr(tally, name) for name in COUNTS]
        writer.writerow([model, *names, *counts, _cell(tally.accuracy), _cell(tally.accuracy_known)])
    return text.getvalue()


def outcomes_csv(scores: Iterable[ConditionScore]) -> str:
    """Format which items are right as CSV, one line per comparison and condition.

    Returns:
        Columns `OUTCOME_COLUMNS`: of each item "1" or "0", in the order of the sentences, and a digest of these.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(OUTCOME_COLUMNS)
    writer.writerows([getattr(score, name) for name in OUTCOME_COLUMNS] for score in scores)
    return text.getvalue()


def read_outcomes(path: Path, scores: Sequence[ConditionScore]) -> list[ConditionScore]:
    """Add to scores what `outcomes_csv` wrote of them.

    Raises:
        UserError: the file cannot be read, or is not of these scores; names the line.
    """
    lines = read_lines(path)
    csv.field_size_limit(max(csv.field_size_limit(), max(map(len, lines))))  # as long as there are items
    found = []
    for number, score in enumerate((None, *scores), start=1):
        expected = OUTCOME_COLUMNS if score is None else (*(getattr(score, name) for name in NAMES),)
        try:
            row = next(csv.reader([lines[number - 1]]))
        except (IndexError, StopIteration, csv.Error):
            row = []
        outcomes, digest = row[-2:] if len(row) == len(OUTCOME_COLUMNS) else ("", "")
        right = score is None or (len(outcomes), outcomes.count("1")) == (score.tally.items, score.tally.right)
        if tuple(row[: len(expected)]) != tuple(expected) or not right or (score and set(outcomes) - {"0", "1"}):
            raise UserError(f"{path}, line {number}: not what syntax wrote with the scores beside it; run syntax again")
        if score is not None:
            found.append(replace(score, outcomes=outcomes, sentences=digest))
    return found


def read_csv(path: Path) -> tuple[str, list[ConditionScore]]:
    """Read the model's name and its scores from a file that `to_csv` wrote.

    Raises:
        UserError: the file cannot be read or is not a file of scores; names the line.
    """
    lines = read_lines(path)
    if tuple(next(csv.reader(lines[:1]))) != COLUMNS:
        raise UserError(f"{path}, line 1: not the columns of a scores.csv; use one that syntax wrote")
    models, scores = zip(*_rows(path, lines), strict=True) if len(lines) > 1 else ((), ())
    if len(set(models)) != 1:
        raise UserError(f"{path}: has the scores of {len(set(models))} models; expected one model")
    return models[0], list(scores)


def _rows(path: Path, lines: Sequence[str]) -> Iterator[tuple[str, ConditionScore]]:
    for number, line in enumerate(lines[1:], start=2):
        try:
            row = dict(zip(COLUMNS, next(csv.reader([line])), strict=False))
            counts = {name: int(row[name]) for name in COUNTS}
            if not min(counts.values()) >= 0 or max(counts.values()) > counts["items"] or row["term"] not in TERMS:
                raise ValueError
        except (KeyError, ValueError, StopIteration, csv.Error):
            raise UserError(
                f"{path}, line {number}: not a line of a scores.csv; run syntax again to write it"
            ) from None
        yield row["model"], ConditionScore(**{name: row[name] for name in NAMES}, tally=Tally(**counts))


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)
