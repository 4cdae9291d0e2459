"""Reads and writes trees as text, one per line: ((the cat) (sat (on (the mat)))); one word alone is a tree too.

Not by `nltk.Tree.fromstring`: it refuses trees deeper than 500 levels and splits words at non-breaking spaces, and its
errors are three lines that do not tell how many brackets are open.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from app.common.errors import UserError
from app.common.text_files import read_bytes
from app.parsing.trees import CLOSE, OPEN, GoldSentence, Token, Tree, from_tokens, tokens

# How the Penn Treebank spells brackets in words.
ESCAPES = {OPEN: "-LRB-", CLOSE: "-RRB-"}
# Only ASCII white space separates words; other Unicode white space may be part of a word.
TOKEN = re.compile(r"[()]|[^()\s]+", re.ASCII)


def write_trees(sentences: Iterable[tuple[Sequence[str], Tree]]) -> str:
    """Format trees as text, one per line.

    Args:
        sentences: the words of each sentence and the tree over them. A word that contains "-LRB-" or "-RRB-" is read
            back with the bracket instead.

    Raises:
        UserError: a word is empty or contains white space, and would not be read back as it is.
    """
    return "".join(f"{_line(words, tree)}\n" for words, tree in sentences)


def _line(words: Sequence[str], tree: Tree) -> str:
    escaped = [_escape(word) for word in words]
    line = " ".join(token if isinstance(token, str) else escaped[token] for token in tokens(tree))
    return line.replace("( ", "(").replace(" )", ")")


def _escape(word: str) -> str:
    for bracket, escape in ESCAPES.items():
        word = word.replace(bracket, escape)
    if not TOKEN.fullmatch(word):
        raise UserError(f"the word {word!r} cannot be written to a tree file: it is empty or contains white space")
    return word


def unescaped(word: str) -> str:
    """A word of a tree file as it is read: with brackets for "-LRB-" and "-RRB-"."""
    for bracket, escape in ESCAPES.items():
        word = word.replace(escape, bracket)
    return word


def read_trees(path: Path) -> list[GoldSentence]:
    """Read the sentences of a tree file of `write_trees`: sentence i is in line i + 1, and nothing in it is a label.

    Raises:
        UserError: the file cannot be read or is too large, or a line is not a tree.
    """
    return parse_trees(read_bytes(path), str(path))


def parse_trees(content: bytes, name: str) -> list[GoldSentence]:
    """Parse the content of a tree file without labels; brackets around a single tree or word are removed.

    Trees of others, which may have labels, are read by `app.parsing.tree_formats`.

    Args:
        content: UTF-8, one tree per line; the last line break is optional.
        name: the file's name, for error messages.

    Raises:
        UserError: the content is empty, or a line is not UTF-8, empty, or not exactly one tree.
    """
    return [unlabelled_tree(each) for each in spelt_lines(content, name)]


def spelt_lines(content: bytes, name: str) -> list[list[str]]:
    """The brackets and words of every line of a tree file.

    Args:
        content: UTF-8, one tree per line; the last line break is optional.
        name: the file's name, for error messages.

    Raises:
        UserError: as `parse_trees`.
    """
    return [spelt_line(line, f"{name}, line {number}") for number, line in enumerate(_lines(content, name), start=1)]


def _lines(content: bytes, name: str) -> list[bytes]:
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if not lines[-1]:
        lines.pop()
    if not lines:
        raise UserError(f"{name}: the file is empty; expected one tree per line, such as ((the cat) sat)")
    return lines


def spelt_line(line: bytes, where: str) -> list[str]:
    """The brackets and words of a line that is exactly one tree.

    Raises:
        UserError: it is not.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: byte {error.start + 1} is not UTF-8; save the file as UTF-8") from None
    spelt = TOKEN.findall(text)
    if not spelt:
        raise UserError(f"{where}: the line is empty; every line is one tree, so delete it")
    _check(spelt, where)
    return spelt


def unlabelled_tree(spelt: Sequence[str]) -> GoldSentence:
    """The tree of brackets and words; brackets around a single tree or word are removed."""
    words: list[str] = []
    tree = from_tokens(_number(spelt, words), lambda children: children[0] if len(children) == 1 else tuple(children))
    return GoldSentence(tuple(words), tree)


def _number(spelt: Iterable[str], words: list[str]) -> Iterator[Token]:
    """Replace words by their indices, and append them to `words`."""
    for token in spelt:
        if token in ESCAPES:
            yield token
        else:
            words.append(unescaped(token))
            yield len(words) - 1


def _check(spelt: Sequence[str], where: str) -> None:
    """Check that the tokens are exactly one tree.

    Raises:
        UserError: they are not; the message is about the first mistake.
    """
    depth = 0
    for at, token in enumerate(spelt):
        if at and depth == 0:
            raise UserError(f"{where}: {token!r} follows the end of the tree; write one tree per line, in one bracket")
        if token == OPEN:
            depth += 1
        elif token == CLOSE:
            if at == 0:
                raise UserError(f"{where}: the line begins with ')'; remove it, or add the missing '('")
            if spelt[at - 1] == OPEN:
                raise UserError(f"{where}: a bracket is empty; remove '()'")
            depth -= 1
    if depth:
        raise UserError(f"{where}: {depth} of the brackets opened are never closed; add the missing ')'")
