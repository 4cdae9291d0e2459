"""Reads probabilistic context-free grammars in NLTK's file format.

Not by `nltk.grammar.read_grammar`: where a `|` or a probability is missing it reads another grammar without an error.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn

from app.common.errors import UserError
from app.common.text_files import read_text
from app.common.vocabulary import EOS, UNK
from app.grammar.pcfg import PCFG, Rule, Symbol, check

ENGLISH = Path(__file__).with_name("english.pcfg")  # part of the package

LARGEST = 1 << 24  # bytes of a grammar
_SUM_TOLERANCE = 1e-5  # a third may be written as 0.333333

_ARROW = re.compile(r"\s*->\s*")
_CATEGORY = re.compile(r"([\w/](?:[\w/^<>]|-(?!>))*)\s*")
_WORD = re.compile(r"(\"[^\"]*\"|'[^']*')\s*")
_PROBABILITY = re.compile(r"\[([\d.]+)\]\s*")
_OR = re.compile(r"\|\s*")


def read_pcfg(path: Path) -> PCFG:
    """Read and check a grammar.

    A line is `LEFT -> RIGHT [probability] | RIGHT [probability] ...`, where words are quoted and categories are not. A
    left side may have several lines; a backslash at the end of a line continues it; a line that begins with `#` is a
    comment. The start symbol is the first left side, or the category that a line `%start CATEGORY` names. The
    probabilities of each left side are normalised to sum to 1. Reading takes time linear in the size of the file.

    Raises:
        UserError: the file cannot be read, a line is not in the format, or the grammar is invalid; names the line.
    """
    text, content = read_text(path, LARGEST)
    grammar = _Reader(str(path)).read(text, hashlib.sha256(content).hexdigest())
    check(grammar)
    return grammar


class _Reader:
    """Parses one file line by line and keeps the current line number for error messages."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._line = 0
        self._start: str | None = None
        self._rules: dict[str, dict[tuple[Symbol, ...], Rule]] = {}

    def read(self, text: str, sha256: str) -> PCFG:
        for self._line, line in _logical_lines(text):
            if line.startswith("%"):
                self._directive(line)
            else:
                self._production(line)
        if not self._rules:
            raise UserError(f"{self._source}: has no rules; expected lines such as: S -> NP VP [1.0]")
        rules = {
            left: self._normalised(left, tuple(alternatives.values())) for left, alternatives in self._rules.items()
        }
        return PCFG(self._start or next(iter(rules)), MappingProxyType(rules), self._source, sha256)

    def _directive(self, line: str) -> None:
        words = line.split()
        if len(words) != 2 or words[0] != "%start":
            self._refuse(f"{_cut(line)} is not understood; expected: %start CATEGORY")
        self._start = words[1]

    def _production(self, line: str) -> None:
        left = _CATEGORY.match(line)
        arrow = _ARROW.match(line, left.end()) if left else None
        if not left or not arrow:
            self._refuse(f"{_cut(line)} does not begin with a category and an arrow; expected: S -> NP VP [1.0]")
        position = arrow.end()
        while True:
            right, position = self._right_side(line, position)
            probability, position = self._probability(line, position)
            self._add(Rule(left[1], right, probability, self._line))
            if position == len(line):
                return
            separator = _OR.match(line, position)
            if not separator:
                self._refuse(f"{_cut(line[position:])} follows a probability; expected | or the end of the line")
            position = separator.end()

    def _right_side(self, line: str, position: int) -> tuple[tuple[Symbol, ...], int]:
        """The symbols of `line` from a position on, and the position after them."""
        symbols = []
        while match := _WORD.match(line, position) or _CATEGORY.match(line, position):
            is_word = line[position] in "\"'"
            symbols.append(Symbol(self._checked(match[1][1:-1]) if is_word else match[1], is_word))
            position = match.end()
        if not symbols and line[position : position + 1] in ("", "[", "|"):
            self._refuse("an alternative is empty; a right side has one symbol or more")
        return tuple(symbols), position

    def _probability(self, line: str, position: int) -> tuple[float, int]:
        """The number in brackets at a position of `line`, and the position after it."""
        match = _PROBABILITY.match(line, position)
        if not match:
            found = _cut(line[position:])
            self._refuse(f"expected a category, a word in quotes or a probability such as [0.5], found {found}")
        try:
            probability = float(match[1])
        except ValueError:
            self._refuse(f"[{match[1]}] is not a number; expected a probability such as [0.5]")
        if not 0 < probability <= 1:
            self._refuse(f"the probability [{match[1]}] is not above 0 and at most 1; correct it, or remove its rule")
        return probability, match.end()

    def _checked(self, word: str) -> str:
        if word.split() != [word]:
            self._refuse(f"{word!r} is not one word; quote each word by itself")
        if word in (EOS, UNK):
            self._refuse(f"{word} is reserved for the language model; choose another word")
        return word

    def _add(self, rule: Rule) -> None:
        alternatives = self._rules.setdefault(rule.left, {})
        first = alternatives.setdefault(rule.right, rule)
        if first is not rule:
            self._refuse(
                f"an alternative of {rule.left} is already in line {first.line}; "
                "write it once, with the sum of both probabilities"
            )

    def _normalised(self, left: str, alternatives: tuple[Rule, ...]) -> tuple[Rule, ...]:
        total = sum(rule.probability for rule in alternatives)
        if abs(total - 1) > _SUM_TOLERANCE:
            self._line = alternatives[0].line
            self._refuse(f"the probabilities of {left} sum to {total:.6g}; correct them so that the sum is 1")
        return tuple(replace(rule, probability=rule.probability / total) for rule in alternatives)

    def _refuse(self, reason: str) -> NoReturn:
        raise UserError(f"{self._source}, line {self._line}: {reason}")


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, with continuation lines joined, each with the number of its first line."""
    lines = enumerate(text.split("\n"), start=1)
    for first, line in lines:
        piece = line.strip()
        if not piece or piece.startswith("#"):
            continue
        pieces = []
        while piece.endswith("\\"):
            pieces.append(piece[:-1].rstrip())
            piece = next(lines, (0, ""))[1].strip()
        yield first, " ".join(filter(None, [*pieces, piece]))


def _cut(text: str) -> str:
    """Quote a text, shortened to 40 characters, for an error message."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...") if text else "the end of the line"
