"""Trees as text, one per line: ((the cat) (sat (on (the mat)))); a sentence of one word is that word."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from app.common.errors import UserError
from app.parsing.trees import CLOSE, OPEN, GoldSentence, Token, Tree, from_tokens, tokens

# How the Penn Treebank writes brackets that are words, or parts of words.
ESCAPES = {OPEN: "-LRB-", CLOSE: "-RRB-"}
# ASCII alone separates words: what Unicode calls white space may be part of one.
TOKEN = re.compile(r"[()]|[^()\s]+", re.ASCII)


def write_trees(sentences: Iterable[tuple[Sequence[str], Tree]]) -> str:
    """Trees as text, one per line.

    Args:
        sentences: the words of each, and the tree over them. A word that itself spells "-LRB-" or "-RRB-" is read
            back as the bracket it stands for.

    Raises:
        UserError: a word is empty or holds white space, and would be read back as another one.
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
        raise UserError(f"the word {word!r} cannot stand in a tree file: words are not empty and hold no white space")
    return word


def _unescape(word: str) -> str:
    for bracket, escape in ESCAPES.items():
        word = word.replace(escape, bracket)
    return word


def read_trees(path: Path) -> list[GoldSentence]:
    """The sentences of a tree file, in order: sentence i stands in line i + 1. They have no labels.

    Raises:
        UserError: the file cannot be read, or a line of it is no tree.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a file of trees, one per line") from None
    return parse_trees(content, str(path))


def parse_trees(content: bytes, name: str) -> list[GoldSentence]:
    """The sentences of what a tree file holds; brackets around a single tree or word are left out.

    Args:
        content: UTF-8, one tree per line; the last line may lack its line break.
        name: of the file, for messages.

    Raises:
        UserError: nothing in it, or a line that is not UTF-8, empty, or not one tree.
    """
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if not lines[-1]:
        lines.pop()
    if not lines:
        raise UserError(f"{name}: the file is empty; expected one tree per line, such as ((the cat) sat)")
    return [_parse(line, f"{name}, line {number}") for number, line in enumerate(lines, start=1)]


def _parse(line: bytes, where: str) -> GoldSentence:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: byte {error.start + 1} is not UTF-8; save the file as UTF-8") from None
    spelt = TOKEN.findall(text)
    if not spelt:
        raise UserError(f"{where}: the line is empty; every line is one tree, so delete it")
    _check(spelt, where)
    words: list[str] = []
    tree = from_tokens(_number(spelt, words), lambda children: children[0] if len(children) == 1 else tuple(children))
    return GoldSentence(tuple(words), tree)


def _number(spelt: Iterable[str], words: list[str]) -> Iterator[Token]:
    """Words replaced by their indices, and gathered in `words`."""
    for token in spelt:
        if token in ESCAPES:
            yield token
        else:
            words.append(_unescape(token))
            yield len(words) - 1


def _check(spelt: Sequence[str], where: str) -> None:
    """Check that tokens are one tree.

    Raises:
        UserError: they are not; the first mistake is the one told.
    """
    depth = 0
    for at, token in enumerate(spelt):
        if at and depth == 0:
            raise UserError(
                f"{where}: {token!r} stands after the end of the tree; a line holds one tree, in one bracket"
            )
        if token == OPEN:
            depth += 1
        elif token == CLOSE:
            if at == 0:
                raise UserError(f"{where}: the line begins with ')'; remove it, or put the '(' that is missing")
            if spelt[at - 1] == OPEN:
                raise UserError(f"{where}: a bracket has nothing in it; remove '()'")
            depth -= 1
    if depth:
        raise UserError(f"{where}: {depth} of the brackets opened are never closed; add the missing ')'")
