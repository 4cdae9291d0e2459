"""Reads minimal pairs from JSON lines: BLiMP's files (Warstadt et al. 2020), or the user's own in the same form."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from app.common.errors import UserError
from app.common.spelling import split_words
from app.common.text_files import read_lines
from app.syntax.stimuli import Construction, Item, Stimuli

SUFFIX = ".jsonl"
GOOD, BAD = ("sentence_good", "grammatical"), ("sentence_bad", "ungrammatical")
# BLiMP's names of a set of pairs and of the phenomenon that it is one of; a file of another's may have neither.
CASE, ROW = ("UID", "case"), ("linguistics_term", "row")


def is_json_pairs(path: Path) -> bool:
    """Whether a path is read here: a file of JSON lines, or a folder of them."""
    return path.suffix == SUFFIX or path.is_dir()


def read_json_pairs(path: Path) -> Stimuli:
    """Read pairs, one JSON object per line, with `sentence_good` and `sentence_bad`.

    `UID` names the set of pairs, a case of the scores; without it the name of the file does. `linguistics_term` names
    the row of the table that the set is part of; without it the set is a row of its own.

    Args:
        path: a file, or a folder whose files with the suffix .jsonl are read in the order of their names.

    Raises:
        UserError: a file cannot be read, a line is no such pair, a set is of two rows, or the folder has no file.
    """
    files = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
    if not files:
        raise UserError(
            f"{path}: no {SUFFIX} files there; expected BLiMP's, or your own with sentence_good, sentence_bad"
        )
    items: list[Item] = []
    row_of: dict[str, str] = {}
    for file in files:
        for where, pair in _pairs(file):
            case = _text(pair, CASE, where, default=file.stem)
            row = _text(pair, ROW, where, default=case)
            if row_of.setdefault(case, row) != row:
                raise UserError(f"{where}: {case} is of {row} here and of {row_of[case]} before; it can be in one row")
            items.append(Item(case, "", _sentences(pair, where)))
    rows: dict[str, list[str]] = {}
    for case, row in row_of.items():
        rows.setdefault(row, []).append(case)
    return Stimuli(
        path.name, tuple(Construction(row, "", tuple(cases), 2) for row, cases in rows.items()), tuple(items)
    )


def _pairs(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a file, each with the place where it is."""
    for number, line in enumerate(read_lines(path), start=1):
        where = f"{path}, line {number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise UserError(f"{where}: not JSON; expected one object with {GOOD[0]} and {BAD[0]} per line") from None
        if not isinstance(value, dict):
            raise UserError(f"{where}: not an object; expected one with {GOOD[0]} and {BAD[0]}")
        yield where, value


def _sentences(pair: dict[str, Any], where: str) -> tuple[str, str]:
    good, bad = (" ".join(split_words(_text(pair, names, where))) for names in (GOOD, BAD))
    if not good or not bad:
        raise UserError(f"{where}: a sentence is empty")
    if good == bad:
        raise UserError(f"{where}: the same sentence twice; write sentences that differ")
    return good, bad


def _text(pair: dict[str, Any], names: Sequence[str], where: str, *, default: str | None = None) -> str:
    """The value under the first of some names that is there."""
    value = next((pair[name] for name in names if name in pair), default)
    if not isinstance(value, str):
        raise UserError(f"{where}: {'no' if value is None else 'no text for'} {names[0]}")
    return value
