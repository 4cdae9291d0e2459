"""Finds the files of a treebank in a folder: those of the Penn Treebank by their names, others by their content."""

import re
from dataclasses import dataclass
from pathlib import Path

from app.common.errors import UserError
from app.common.text_files import read_bytes
from app.parsing.treebank_formats import FORMATS, UTF_8, TreebankFormat, brackets, recognise

# Two digits of the section, 00 to 24, and two of the file in it.
_NAME = re.compile(r"wsj_((?:[01]\d|2[0-4])\d\d)\.mrg", re.ASCII | re.IGNORECASE)
# Files of these names are of the treebank, and mistakes in them are errors; others are read if they are recognised.
_SUFFIXES = frozenset((".mrg", ".ptb", ".fid", ".export", ".conllu", ".brackets", ".bracketed", ".trees"))
# Files that come with treebanks and are none, even if they begin with a bracket: (c) 2005 ...
_DOCUMENTATION = re.compile(
    r"(?:read_?me|licen[cs]e|copying|copyright|change(?:s|log)|authors|citation)(?![a-z])", re.I
)

LARGEST = 1 << 28  # TIGER has 50 MB, the largest of Universal Dependencies 200
BEGINNING = 1 << 16  # bytes by which a file is recognised


@dataclass(frozen=True, slots=True)
class TreebankFile:
    """A file of a treebank.

    Args:
        path: of the file.
        format: of its content.
        number: of a file of the Penn Treebank, section and file: 2301; None for others.
    """

    path: Path
    format: TreebankFormat
    number: int | None = None


def find_files(place: Path, encoding: str = UTF_8) -> tuple[list[TreebankFile], int]:
    """Find the files of a treebank anywhere below a folder, or take one file.

    Where there are files of the Penn Treebank by their names, wsj_0001.mrg or WSJ_0001.MRG, these are taken, in the
    order of their numbers, and all others are ignored, because the treebank's folders also contain tagged and raw text
    and other corpora. Elsewhere all files whose content is in one of the formats are taken, in the order of their
    paths, except documentation by its name.

    Args:
        place: the folder, or the file.
        encoding: of the files.

    Returns:
        The files, at least one, and how many others there are, which are ignored.

    Raises:
        UserError: no such folder, no files of a treebank in it, a file that has the name of one and not the content, or
            two files of the Penn Treebank with the same number.
    """
    if place.is_file():
        return [TreebankFile(place, _needed_format(place, encoding), _number(place))], 0
    if not place.is_dir():
        raise UserError(
            f"{place}: no such folder or file; put the treebank there (the Penn Treebank is LDC99T42; NLTK's corpus "
            "'treebank' is a free sample), or name another folder"
        )
    paths = sorted(path for path in place.rglob("*") if not _is_hidden(path, place))
    if numbered := _by_number(paths):
        return [
            TreebankFile(path, _needed_format(path, encoding), number) for number, path in sorted(numbered.items())
        ], 0
    found, others = [], 0
    for path in paths:
        if not path.is_file():
            continue
        needed = path.suffix.lower() in _SUFFIXES
        if needed:
            form: TreebankFormat | None = _needed_format(path, encoding)
        else:
            form = None if _DOCUMENTATION.match(path.name) else recognise(beginning(path, encoding))
        if form is None:
            others += 1
        else:
            found.append(TreebankFile(path, form))
    if not found:
        raise UserError(
            f"{place}: has no file of a treebank ({_names()})"
            + (f", only {others} others" if others else "")
            + "; is it the right folder?"
        )
    return found, others


def read_file(path: Path) -> bytes:
    """Read the content of a file.

    Raises:
        UserError: it cannot be read, or is larger than any file of a treebank.
    """
    return read_bytes(path, LARGEST)


def _is_hidden(path: Path, place: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(place).parts)


def _number(path: Path) -> int | None:
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else None


def _by_number(paths: list[Path]) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for path in paths:
        number = _number(path)
        if number in found:
            raise UserError(f"{found[number]} and {path} are both file {number:04d} of the treebank; keep one of them")
        if number is not None:
            found[number] = path
    return found


def _needed_format(path: Path, encoding: str) -> TreebankFormat:
    """The format of a file that has to be in one."""
    text = beginning(path, encoding)
    form = recognise(text)
    if form is not None:
        return form
    if _number(path) is None and not text.lstrip().startswith("("):
        raise UserError(f"{path}: is not in a format of treebanks ({_names()}); is it the right file?")
    return brackets.FORMAT  # whose reader says what is wrong with it


def beginning(path: Path, encoding: str = UTF_8) -> str:
    """The beginning of a file, as far as it can be decoded, without a byte order mark.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read(BEGINNING).decode(encoding, errors="replace")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None


def _names() -> str:
    return ", ".join(each.name for each in FORMATS)
