"""CoNLL-U, the format of Universal Dependencies: a line of ten columns for each word.

The trees are no constituents. A phrase is a word with everything that depends on it, directly or not, and its label is
the word's relation to its head.
"""

import re
from dataclasses import dataclass
from sys import intern

from app.common.errors import UserError
from app.parsing.discontinuous import ROOT, DiscontinuousTree
from app.parsing.treebank_formats.format import TreebankFormat, TreebankTree, find_cycle, one_word, refuse, shown

COLUMNS = 10
_WORD = re.compile(r"[1-9]\d*", re.ASCII)
_RANGE = re.compile(r"([1-9]\d*)-([1-9]\d*)", re.ASCII)  # one written word that is several: 3-4 zum
_EMPTY_NODE = re.compile(r"\d+\.\d+", re.ASCII)  # a word that is not there, of the enhanced dependencies
_HEAD = re.compile(r"0|[1-9]\d*", re.ASCII)


def recognises(text: str) -> bool:
    """Whether the first line that is no comment and not blank has ten columns and the number of a word."""
    for line in text.split("\n"):
        if line.strip() and not line.startswith("#"):
            columns = line.split("\t")
            return len(columns) == COLUMNS and re.match(r"\d", columns[0]) is not None
    return False


def read(text: str, source: str) -> list[TreebankTree]:
    """Read the trees of a text.

    The words are those that have a head: of "zum" with the lines 3-4, 3 and 4 these are "zu" and "dem". Their tags are
    the universal ones, or the language's own where there is none. A space within a word becomes a no-break space.

    Raises:
        UserError: no sentence, or a line that is not in the format; the message names the line.
    """
    trees: list[TreebankTree] = []
    words: list[_Word] = []
    until = 0  # last number of the latest range
    for number, whole in enumerate([*text.split("\n"), ""], start=1):
        line = whole.rstrip("\r")
        if line.strip() and not (line.startswith("#") and not words):
            columns = line.split("\t")
            if len(columns) != COLUMNS:
                refuse(source, number, f"has {len(columns)} columns between tabs; CoNLL-U has {COLUMNS}")
            until = _check_number(columns[0], len(words), until, source, number)
            if _WORD.fullmatch(columns[0]):
                words.append(_word(columns, source, number))
        elif not line.strip():
            if words:
                if until > len(words):
                    refuse(source, number, f"the sentence ends before word {until}, the last of a range")
                trees.append(_tree(words, source))
            words, until = [], 0
    if not trees:
        raise UserError(f"{source}: has no tree; is it the right file?")
    return trees


@dataclass(frozen=True, slots=True)
class _Word:
    line: int
    form: str
    tag: str
    head: int
    relation: str


def _check_number(name: str, words: int, until: int, source: str, line: int) -> int:
    """Check the first column of a line; returns the last number of the latest range."""
    if found := _RANGE.fullmatch(name):
        first, last = int(found[1]), int(found[2])
        if first != words + 1 or last < first or first <= until:
            refuse(source, line, f"the range {name} does not begin with the word that follows, {words + 1}")
        return last
    if _EMPTY_NODE.fullmatch(name):
        return until
    if name != str(words + 1):
        refuse(source, line, f"the number of the word is {shown(name)}; expected {words + 1}")
    return until


def _word(columns: list[str], source: str, line: int) -> _Word:
    name, form, _, universal, own, _, head, relation = columns[:8]
    if not form.strip():
        refuse(source, line, f"word {name} has no form")
    if not _HEAD.fullmatch(head):
        refuse(source, line, f"the head of word {name} is {shown(head)}; expected the number of one word, or 0")
    if not relation.strip() or relation == "_":
        refuse(source, line, f"word {name} has no relation to its head")
    tag = universal if universal != "_" else own
    return _Word(line, one_word(form), intern(tag), int(head), intern(relation))


def _tree(words: list[_Word], source: str) -> DiscontinuousTree:
    """The tree of a sentence: a phrase for each word, which holds the word and the phrases of its dependents."""
    roots = [at for at, word in enumerate(words) if word.head == 0]
    for at, word in enumerate(words):
        if word.head > len(words):
            refuse(source, word.line, f"the head of word {at + 1} is {word.head}; the sentence has {len(words)} words")
    if len(roots) > 1:
        at = roots[1]
        refuse(source, words[at].line, f"word {at + 1} is a second root beside word {roots[0] + 1}; expected one")
    heads = [word.head - 1 if word.head else ROOT for word in words]
    if (cycle := find_cycle(enumerate(heads))) is not None:
        refuse(source, words[cycle].line, f"word {cycle + 1} depends on itself, through its heads")
    phrases = [(word.relation, head) for word, head in zip(words, heads, strict=True)]
    return DiscontinuousTree([(word.tag, word.form) for word in words], range(len(words)), phrases)


FORMAT = TreebankFormat("CoNLL-U", recognises, read, dependencies=True)
