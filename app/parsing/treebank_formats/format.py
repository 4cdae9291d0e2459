"""What is common to the formats of treebanks."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from sys import intern
from typing import NoReturn, TypeAlias

from app.common.errors import UserError
from app.parsing.discontinuous import ROOT, DiscontinuousTree
from app.parsing.trees import Node

TreebankTree: TypeAlias = Node | DiscontinuousTree
UTF_8 = "utf-8-sig"  # with a byte order mark or without
SHOWN = 40  # characters of a word in an error message
_SPACES = re.compile("[ \t\n\r\f\v\x1c-\x1f]+")


@dataclass(frozen=True, slots=True)
class TreebankFormat:
    """A format of files of trees.

    Args:
        name: for messages.
        recognises: says of the beginning of a file whether it is in this format.
        read: the trees of a file, at least one, from its text and its name for error messages; raises `UserError` with
            the line of a mistake.
        dependencies: whether the trees are made from dependencies, and are no constituents.
    """

    name: str
    recognises: Callable[[str], bool]
    read: Callable[[str, str], list[TreebankTree]]
    dependencies: bool = False


def decode(content: bytes, source: str, encoding: str = UTF_8) -> str:
    """The text of a file, without a byte order mark.

    Raises:
        UserError: it is in another encoding; the message names the line.
    """
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        name = "UTF-8" if encoding == UTF_8 else encoding
        refuse(
            source,
            error.object.count(b"\n", 0, error.start) + 1,
            f"not {name} ({error.reason}); name the encoding of the treebank's files, for example --encoding gb18030 "
            "(older releases of the Chinese Treebank) or --encoding iso-8859-1 (NEGRA)",
        )


def refuse(source: str, line: int, reason: str) -> NoReturn:
    """Raise `UserError` about a line of a file, from 1."""
    raise UserError(f"{source}, line {line}: {reason}")


def one_word(form: str) -> str:
    """A word without ASCII white space, which separates words in tree files: a no-break space in its place."""
    return intern(_SPACES.sub("\N{NO-BREAK SPACE}", form.strip(" ")))


def shown(word: str) -> str:
    """A word in an error message."""
    return repr(word[:SHOWN])


def find_cycle(parents: Iterable[tuple[int, int]]) -> int | None:
    """A node of a cycle; None if every path leads to `ROOT`.

    Args:
        parents: each node and its parent.
    """
    above = dict(parents)
    done = {ROOT}
    for node in above:
        path: dict[int, None] = {}
        while node not in done:
            if node in path:
                return node
            path[node] = None
            node = above[node]
        done |= path.keys()
    return None
