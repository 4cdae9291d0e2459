"""Reads the Penn Treebank's bracketed files: trees whose leaves are words, each under its part-of-speech tag.

Not by `nltk.Tree.fromstring`: it accepts empty brackets and words without a tag, splits words at non-breaking spaces,
refuses trees deeper than 500 levels, and its errors have no line numbers.
"""

import re
from sys import intern  # equal words and labels share their memory
from typing import NoReturn

from app.common.errors import UserError
from app.parsing.trees import Node

# A word with its tag, the start of a phrase, the end of a phrase, or a stray word; only white space is between them.
# The quantifiers are possessive, so that a failed match does not backtrack.
_PIECE = re.compile(
    r"\(\s*+(?P<tag>[^\s()]++)\s++(?P<word>[^\s()]++)\s*+\)|\(\s*+(?P<label>[^\s()]*+)|(?P<end>\))|(?P<stray>[^\s()]++)",
    re.ASCII,  # a non-breaking space is part of its word
)
_SHOWN = 40  # characters of a word in an error message


def parse_mrg(content: bytes, source: str) -> list[Node]:
    """Read the trees of a file in the treebank's format (Bies et al. 1995).

    `( (S (NP (PRP it)) (VP (VBZ works))) )`: the outermost bracket has no label and is removed where it contains one
    tree; trees without this bracket are read too. Safe for trees of any depth, because nothing recurses.

    Args:
        content: the bytes of the file, UTF-8.
        source: the file's name, for error messages.

    Returns:
        At least one tree; each word is the only child of its tag's node.

    Raises:
        UserError: not UTF-8, no tree, brackets that do not match, a bracket that is empty or has no label, a word
            that is outside all brackets or has no tag; the message names the line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(f"{source}, line {line}: not UTF-8 ({error.reason}); save the file as UTF-8") from None
    return read_mrg(text, source)


def read_mrg(text: str, source: str) -> list[Node]:
    """Read the trees of a text; see `parse_mrg`.

    Raises:
        UserError: as `parse_mrg`, but for the encoding.
    """
    trees = _Reader(text, source).read()
    if not trees:
        raise UserError(f"{source}: has no tree; is it the right file?")
    return trees


class _Reader:
    """Parses one text with an explicit stack of open brackets."""

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.trees: list[Node] = []
        self.open: list[Node] = []  # from the outermost to the innermost
        self.begins = 0  # position where the outermost one opened

    def read(self) -> list[Node]:
        """All trees of the text."""
        for piece in _PIECE.finditer(self.text):
            kind, position = piece.lastgroup, piece.start()
            if kind == "word":
                self._place((intern(piece["tag"]), [intern(piece["word"])]))
            elif kind == "label":
                self._open(intern(piece["label"]), position)
            elif kind == "end":
                self._close(position)
            else:
                self._stray(piece["stray"], position)
        if self.open:
            self._refuse(self.begins, "the bracket that opens here is never closed")
        return self.trees

    def _place(self, node: Node) -> None:
        (self.open[-1][1] if self.open else self.trees).append(node)

    def _open(self, label: str, position: int) -> None:
        if not self.open:
            self.begins = position
        elif not label:
            start = self._line(self.begins)
            self._refuse(position, f"a bracket without a label; or was the tree of line {start} not closed before it?")
        self.open.append((label, []))

    def _close(self, position: int) -> None:
        if not self.open:
            self._refuse(position, "closes a bracket that was never opened")
        label, children = self.open.pop()
        if not children:
            self._refuse(position, f"the bracket {label[:_SHOWN]!r} is empty" if label else "an empty tree")
        unwrapped = children[0] if not label and len(children) == 1 else None
        self._place(unwrapped if isinstance(unwrapped, tuple) else (label, children))

    def _stray(self, word: str, position: int) -> None:
        if not self.open:
            self._refuse(position, f"{word[:_SHOWN]!r} is outside all brackets")
        self._refuse(position, f"{word[:_SHOWN]!r} has no part-of-speech tag; write (TAG word)")

    def _refuse(self, position: int, reason: str) -> NoReturn:
        raise UserError(f"{self.source}, line {self._line(position)}: {reason}")

    def _line(self, position: int) -> int:
        return self.text.count("\n", 0, position) + 1
