"""Prints sentences and figures on lines that a terminal does not break inside a number or a word."""

import os
import re
import sys
from shutil import get_terminal_size
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

INDENT = "  "
# Where a line may be broken, the best first: before a middle dot, behind a punctuation mark, between two words. A
# number and its sign of per cent stay together.
BREAKS = (re.compile(r" (?=· )"), re.compile(r"(?<=[,;:.]) "), re.compile(r"(?<!·) (?!%)"))
LEAST_FILLED = 0.6  # share of the width that a line fills before it is broken at a better place


def fold(line: str, width: int) -> str:
    """A line in several of at most so many characters, all but the first indented.

    A word that is longer than a line, such as a path, stays whole: it can be copied.

    Args:
        line: without line breaks.
        width: of the terminal, in characters.
    """
    folded: list[str] = []
    while len(line) > width and (cut := _cut(line, width)):
        folded.append(line[:cut])
        line = INDENT + line[cut + 1 :]
    return "\n".join([*folded, line])


def _cut(line: str, width: int) -> int:
    """The position of the space at which a line is broken; 0 where there is none."""
    begin = len(line) - len(line.lstrip())
    places = [[found.start() for found in each.finditer(line, begin)] for each in BREAKS]
    last = [max((place for place in each if place <= width), default=0) for each in places]
    good = [position for position in last if position >= LEAST_FILLED * width]
    if good or any(last):
        return good[0] if good else max(last)
    return min(places[-1], default=0)


def print_line(line: str, console: "Console | None" = None) -> None:
    """Print a line, on a terminal folded to its width; elsewhere it stays one line.

    Args:
        line: without line breaks; nothing in it is markup.
        console: where to print; standard output where it is left out.
    """
    if console is not None:
        from rich.text import Text

        console.print(Text(fold(line, console.width) if console.is_terminal else line), soft_wrap=True)
        return
    # Not by a console of its own, which would write into the bars of another one.
    stream = getattr(sys.stdout, "rich_proxied_file", sys.stdout)  # behind bars the stream says it is no terminal
    print(fold(line, get_terminal_size().columns) if stream.isatty() else line, flush=True)


def print_to_stderr(text: str) -> None:
    """Print what is no result, such as an error, on stderr; on a terminal folded to its width, elsewhere as it is.

    Args:
        text: one line, or several.
    """
    stream: TextIO = getattr(sys.stderr, "rich_proxied_file", sys.stderr)  # as in `print_line`
    if stream.isatty():
        width = _width(stream)
        text = "\n".join(fold(line, width) for line in text.split("\n"))
    print(text, file=sys.stderr, flush=True)


def _width(stream: TextIO) -> int:
    """The width of a terminal, in characters: standard output, which is asked elsewhere, may be a file."""
    columns = os.environ.get("COLUMNS", "")
    try:
        return int(columns) if columns.isdecimal() else os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return get_terminal_size().columns
