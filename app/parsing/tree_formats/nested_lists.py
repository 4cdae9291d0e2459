"""Nested lists as Python prints them, which PRPN's and ON-LSTM's authors do, and JSON: [['the', 'cat'], 'sat']."""

import ast
import json
import re
from typing import Any

from app.common.errors import UserError
from app.parsing.tree_formats.any_tree import AnyTree, of_nested

_PIECE = re.compile(
    r"""(?P<open>[\[(])|(?P<close>[\])])|(?P<word>[uU]?(?:'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+"))|"""
    r"""(?P<number>\d++)|[\s,]++"""
)
_PAIRS = {"[": "]", "(": ")"}
_BEGINS = re.compile(r"""\[|[(\s]*\([\s(]*(?:[uU]?(?:'[^'\n]*'|"[^"\n]*")|\d+)\s*,""")


def recognises(text: str) -> bool:
    """Whether the first line begins as a list or a tuple of words in quotes, or of numbers."""
    return _BEGINS.match(text.lstrip()) is not None


def read(text: str, source: str) -> list[AnyTree]:
    """Read a tree a line, lists or tuples of words in quotes or of the numbers of words; blank lines are left out.

    Raises:
        UserError: a line is not one such list; names the line.
    """
    found = []
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            where = f"{source}, line {line}"
            words, length, tree = of_nested(read_nested(content, where), where)
            found.append(AnyTree(line=line, words=words, length=length, tree=tree))
    return found


def read_nested(content: str, where: str) -> Any:
    """Lists of words and numbers as they are written; not by Python, which goes no deeper than 200 brackets.

    Raises:
        UserError: they are no such lists.
    """
    made: list[list[Any]] = [[]]
    open_brackets: list[str] = []
    at = 0
    while at < len(content):
        piece = _PIECE.match(content, at)
        if piece is None:
            raise UserError(f"{where}: {content[at : at + 20]!r} is neither a list, a word in quotes nor a number")
        at = piece.end()
        if piece["open"]:
            open_brackets.append(piece["open"])
            made.append([])
        elif piece["close"]:
            if not open_brackets or _PAIRS[open_brackets.pop()] != piece["close"]:
                raise UserError(f"{where}: {piece['close']!r} closes no list that is open")
            inner = made.pop()
            made[-1].append(inner)
        elif piece["word"]:
            made[-1].append(_word(piece["word"], where))
        elif piece["number"]:
            made[-1].append(int(piece["number"]))
    if open_brackets:
        raise UserError(f"{where}: {len(open_brackets)} of its lists are never closed; add the missing ']'")
    if len(made[0]) != 1:
        raise UserError(f"{where}: has {len(made[0])} trees; write one tree per line, in one list")
    return made[0][0]


def _word(quoted: str, where: str) -> str:
    """A word without its quotes, as JSON or Python writes it."""
    try:
        return str(json.loads(quoted))
    except ValueError:
        pass
    try:
        return str(ast.literal_eval(quoted))
    except (ValueError, SyntaxError):
        raise UserError(f"{where}: {quoted!r} is not a word in quotes") from None
