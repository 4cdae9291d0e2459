"""How a vocabulary spells words, and how a user's text and a treebank's words are put into that spelling."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, Protocol

from app.common.errors import UserError

NUMBER = "N"  # stands for every number in Mikolov's text
# As the treebank splits words: "do n't", "company 's", "companies '".
_CONTRACTION = re.compile(r"(.+?)(n't|'(?:s|m|d|ll|re|ve)?)", re.IGNORECASE)
_TWO_WORDS = {"cannot": 3, "gimme": 3, "gonna": 3, "gotta": 3, "lemme": 3, "wanna": 3, "'tis": 2, "'twas": 2}
_A_NUMBER = re.compile(r"[+-]?\.?[0-9](?:[0-9.,]*[0-9])?")
_DIGITS = re.compile("[0-9]+")
_JOINED = re.compile(r"((?<=\w)-(?=\w)|(?<=[0-9])[.,](?=[0-9]))")
_PERCENT = re.compile("([^%]+)(%)")
# Without "%" and "&", which are words of the treebank, and the apostrophe, which is part of some words.
SIGNS = (
    '!"#$()*+,-./:;<=>?@[]^_`{|}~'
    + "\N{HORIZONTAL ELLIPSIS}\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
)
_OPENING = {'"': "``", "\N{LEFT DOUBLE QUOTATION MARK}": "``", "(": "-LRB-"}
_CLOSING = {'"': "''", "\N{RIGHT DOUBLE QUOTATION MARK}": "''", ")": "-RRB-"}
_SIGNS_OF_A_WORD = 3  # most of them on either side of a word
_APOSTROPHE = "\N{RIGHT SINGLE QUOTATION MARK}"
# ASCII white space as `str.split` knows it; other white space, such as a no-break space, is part of a word.
_WORD = re.compile("[^ \t\n\r\f\v\x1c-\x1f]+")


def split_words(text: str) -> list[str]:
    """The words of a text; only ASCII white space separates them, in texts as in tree files."""
    return text.split() if text.isascii() else _WORD.findall(text)


class Words(Protocol):
    """A vocabulary."""

    def __contains__(self, word: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Spelling:
    """The spelling of a vocabulary.

    Args:
        lower_case: it has no upper-case letters.
        numbers: a number is written `N`.
        contractions: contractions are two words, as in the Penn Treebank: "do n't", "company 's".
        joined: a hyphen inside a word, and a comma or point inside a number, are words between signs, as in WikiText:
            "state @-@ owned", "1 @,@ 990".
    """

    lower_case: bool
    numbers: bool
    contractions: bool
    joined: bool = False

    @staticmethod
    def of(words: Iterable[str]) -> "Spelling":
        """The spelling of the words of a vocabulary."""
        words = set(words)
        return Spelling(
            lower_case=not any(word != word.lower() for word in words if word != NUMBER and not word.startswith("<")),
            numbers=NUMBER in words and not any(map(_A_NUMBER.fullmatch, words)),
            contractions=not words.isdisjoint(("n't", "'s")),
            joined="@-@" in words,
        )

    @staticmethod
    def read(saved: Mapping[str, Any]) -> "Spelling":
        """The spelling of a checkpoint, as `as_dict` gave it.

        Raises:
            UserError: the entry is not a spelling.
        """
        try:
            spelling = Spelling(**saved)
        except TypeError:
            spelling = None
        if spelling is None or not all(isinstance(value, bool) for value in saved.values()):
            raise UserError("the checkpoint's spelling is not one of ours; was the checkpoint made by another program?")
        return spelling

    def as_dict(self) -> dict[str, bool]:
        """The spelling for a checkpoint."""
        return asdict(self)

    def of_tree(self, word: str) -> str:
        """A treebank's word in this spelling.

        As in the authors' `data_ptb.py`: `N` stands for every run of digits, so that "1.5" becomes "N.N".
        """
        word = word.lower() if self.lower_case else word
        return _DIGITS.sub(NUMBER, word) if self.numbers else word

    def words(self, text: str, known: Words) -> list[str]:
        """The words of a user's text in this spelling.

        Args:
            text: words separated by white space, with or without punctuation.
            known: the vocabulary. It decides what is a word: "mr." and "10-year" where it has them. Signs that it does
                not have are left out; other unknown words stay.
        """
        return [word for token in split_words(text) for word in self._words(token, known)]

    def _words(self, token: str, known: Words) -> Iterator[str]:
        """The words of a token: itself if it is known, else of its parts."""
        if (word := self._find(token, known)) is not None:
            yield word
            return
        parts = token.split() or [token]
        if len(parts) == 1:
            parts = self._parts(token.replace(_APOSTROPHE, "'"), known)
        if parts != [token]:
            for part in parts:
                yield from self._words(part, known)
        elif token.strip(SIGNS):
            yield token.lower() if self.lower_case else token

    def _parts(self, token: str, known: Words) -> list[str]:
        """A token without the signs around it that are unknown, split where the treebank splits it."""
        start, end = len(token) - len(token.lstrip(SIGNS)), len(token.rstrip(SIGNS))
        if start >= end:
            return _spelt(token, _CLOSING, known) or [token]
        # Signs may belong to the word, as in "u.s.": the longest known one is taken.
        lefts = range(max(0, start - _SIGNS_OF_A_WORD), start + 1)
        rights = range(min(len(token), end + _SIGNS_OF_A_WORD), end - 1, -1)
        places = sorted(product(lefts, rights), key=lambda ends: ends[0] - ends[1])
        ends = next((ends for ends in places if self._find(token[slice(*ends)], known) is not None), (start, end))
        core = token[slice(*ends)]
        return [
            *_spelt(token[: ends[0]], _OPENING, known),
            *(self._split(core, known) if self._find(core, known) is None else [core]),
            *_spelt(token[ends[1] :], _CLOSING, known),
        ]

    def _split(self, word: str, known: Words) -> list[str]:
        if self.joined and len(parts := _JOINED.split(word)) > 1:
            return [f"@{part}@" if number % 2 else part for number, part in enumerate(parts)]
        if found := _PERCENT.fullmatch(word):
            return [found[1], found[2]]
        if not self.contractions:
            return [word]
        if at := _TWO_WORDS.get(word.lower()):
            return [word[:at], word[at:]]
        if word.lower().endswith("n't") and "n't" not in known and "'t" in known:
            return [word[:-2], word[-2:]]  # "don 't", as Moses' tokenizer has it
        found = _CONTRACTION.fullmatch(word)
        return [found[1], found[2]] if found else [word]

    def _find(self, token: str, known: Words) -> str | None:
        """The known word that a token is; None if there is none."""
        lower = token.lower() if self.lower_case else token
        forms = [token, lower]
        if self.numbers:
            forms += [*([NUMBER] if _A_NUMBER.fullmatch(token) else []), _DIGITS.sub(NUMBER, lower)]
        return next((form for form in forms if form in known), None)


# As the authors of ON-LSTM preprocess the Penn Treebank for models of Mikolov's text.
MIKOLOV = Spelling(lower_case=True, numbers=True, contractions=True)


def _spelt(signs: str, spelling: Mapping[str, str], known: Words) -> list[str]:
    """The known ones of some signs: all of them as one, or else each by itself."""
    if signs in known:
        return [signs]
    forms = (next((form for form in (sign, spelling.get(sign, sign)) if form in known), None) for sign in signs)
    return [form for form in forms if form is not None]
