"""Finds the files of the Wall Street Journal part of the Penn Treebank in a folder."""

import re
from pathlib import Path

from app.common.errors import UserError
from app.common.text_files import read_bytes

# Two digits of the section, 00 to 24, and two of the file in it.
_NAME = re.compile(r"wsj_((?:[01]\d|2[0-4])\d\d)\.mrg", re.ASCII | re.IGNORECASE)

LARGEST = 1 << 24  # a hundred times the largest of them


def find_files(folder: Path) -> dict[int, Path]:
    """Find the treebank's files anywhere below a folder, wsj_0001.mrg or WSJ_0001.MRG, by number in ascending order.

    Other files are ignored, because the treebank's folders also contain tagged and raw text and other corpora.

    Raises:
        UserError: no such folder, none of the files in it, or two with the same number.
    """
    if not folder.is_dir():
        raise UserError(
            f"{folder}: {'is not a folder' if folder.exists() else 'no such folder'}; put the treebank's .mrg files "
            "there (the Penn Treebank is LDC99T42; NLTK's corpus 'treebank' is a free sample), or name another folder"
        )
    found: dict[int, Path] = {}
    others = 0
    for path in sorted(folder.rglob("*")):
        match = _NAME.fullmatch(path.name)
        if not match:
            others += path.suffix.lower() == ".mrg"
            continue
        number = int(match[1])
        if number in found:
            raise UserError(f"{found[number]} and {path} are both file {number:04d} of the treebank; keep one of them")
        found[number] = path
    if not found:
        raise UserError(
            f"{folder}: has no file wsj_0001.mrg to wsj_2499.mrg"
            + (f", only {others} .mrg with other names" if others else "")
            + "; is it the right folder?"
        )
    return dict(sorted(found.items()))


def read_file(path: Path) -> bytes:
    """Read the content of a file.

    Raises:
        UserError: it cannot be read, or is larger than any file of the treebank.
    """
    return read_bytes(path, LARGEST)
