"""Reads templates of minimal pairs, word lists and sentences with slots for them, and generates all sentences."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path
from typing import NamedTuple, NoReturn

from app.common.errors import UserError
from app.common.text_files import read_lines
from app.syntax.stimuli import COMPARISONS, Construction, Item, Stimuli

# Parts of the package; the words of the second are those of app/grammar/english.pcfg.
MARVIN_LINZEN = Path(__file__).with_name("marvin_linzen.txt")
ENGLISH = Path(__file__).with_name("english.txt")

_WORDS = re.compile(r"words ([A-Z]+)(?: \(([a-z]+(?:/[a-z]+)*)\))?:(.*)")
_CONSTRUCTION = re.compile(r"\[(short|long)\] (\S.*)")
_CASE = re.compile(r"case (\S+)")
_CONDITION = re.compile(r"(\w+):(.*)")
_PARTS = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"([A-Z]+)(\d*)(?:\.([a-z]+))?")


@dataclass(frozen=True, slots=True)
class _Words:
    """A word list.

    Args:
        forms: the names of the words' forms; empty if there is only one form.
        entries: for each word its texts, in the order of the forms.
    """

    forms: tuple[str, ...]
    entries: tuple[tuple[str, ...], ...]


class _Slot(NamedTuple):
    """A slot for a word: the index of its word among those of the template, and the index of the form."""

    word: int
    form: int


@dataclass(slots=True)
class _OpenConstruction:
    """A construction whose lines are still being read."""

    name: str
    term: str
    line: int
    sentences: int = 0
    cases: list[str] = field(default_factory=list)


def read_templates(path: Path) -> Stimuli:
    """Read a file of templates, in the format that `marvin_linzen.txt` explains, and generate all of its sentences.

    Items are in the order of the file; within a template, the last word changes fastest.

    Raises:
        UserError: the file cannot be read, or a line is not in the format; names the line.
    """
    return _Reader(str(path)).read(read_lines(path))


class _Reader:
    """Parses one file line by line and keeps the current line number for error messages."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._line = 0
        self._words: dict[str, _Words] = {}
        self._rows: list[_OpenConstruction] = []
        self._conditions: set[tuple[str, str]] = set()
        self._items: list[Item] = []

    def read(self, lines: Sequence[str]) -> Stimuli:
        for self._line, line in _logical_lines(lines):
            if match := _WORDS.fullmatch(line):
                self._take_words(*match.groups())
            elif match := _CONSTRUCTION.fullmatch(line):
                self._check_row()
                self._rows.append(_OpenConstruction(match[2], match[1], self._line))
            elif match := _CASE.fullmatch(line):
                self._take_case(match[1])
            elif match := _CONDITION.fullmatch(line):
                self._take_condition(match[1], match[2])
            else:
                self._refuse(f"{line[:40]!r} is not understood; expected words, [short], [long], case or a condition")
        self._check_row()
        if not self._items:
            raise UserError(f"{self._source}: has no templates; expected lines such as: sing: the NOUN.sg [is | are]")
        rows = tuple(Construction(row.name, row.term, tuple(row.cases), row.sentences) for row in self._rows)
        return Stimuli(Path(self._source).name, rows, tuple(self._items))

    def _take_words(self, name: str, forms: str | None, entries: str) -> None:
        if name in self._words:
            self._refuse(f"the word list {name} is defined twice; use another name")
        names = tuple(forms.split("/")) if forms else ()
        found = [tuple(" ".join(text.split()) for text in entry.split("/")) for entry in entries.split(",")]
        for entry in found:
            if len(entry) != max(1, len(names)) or not all(entry):
                self._refuse(f"{'/'.join(entry)!r} needs one text for each form of {name}; separate them with /")
        self._words[name] = _Words(names, tuple(found))

    def _take_case(self, name: str) -> None:
        if not self._rows:
            self._refuse("a case comes before the first row; start a row with [short] NAME or [long] NAME")
        if any(name in row.cases for row in self._rows):
            self._refuse(f"the case {name} is defined twice; use another name")
        self._rows[-1].cases.append(name)

    def _take_condition(self, condition: str, template: str) -> None:
        if not self._rows or not self._rows[-1].cases:
            self._refuse("a condition comes before its case; start one with case NAME")
        row = self._rows[-1]
        if (row.cases[-1], condition) in self._conditions:
            self._refuse(f"the condition {condition} is defined twice; use another name")
        self._conditions.add((row.cases[-1], condition))
        names, sentences = self._parse(template)
        if row.sentences not in (0, len(sentences)):
            self._refuse(f"makes {len(sentences)} sentences, but other templates of {row.name} make {row.sentences}")
        row.sentences = len(sentences)
        self._items += self._expand(row.cases[-1], condition, names, sentences)

    def _parse(self, template: str) -> tuple[list[str], list[list[str | _Slot]]]:
        """The names of the word lists that fill the template's slots, and its sentences."""
        counts = {part.count("|") + 1 for part in _PARTS.findall(template)}
        if len(counts) != 1 or not counts <= COMPARISONS.keys():
            self._refuse(
                "expected [a | b] in every bracket, or [a | b | c] in every bracket, so that the sentences differ"
            )
        slots: dict[tuple[str, str], int] = {}
        sentences = []
        for number in range(counts.pop()):
            text = _PARTS.sub(lambda part, number=number: part[1].split("|")[number], template)  # type: ignore[misc]
            sentences.append([self._token(token, slots) for token in text.split()])
        return [name for name, _ in slots], sentences

    def _token(self, token: str, slots: dict[tuple[str, str], int]) -> str | _Slot:
        if not token[0].isupper():
            return token
        match = _SLOT.fullmatch(token)
        if match is None or match[1] not in self._words:
            self._refuse(f"{token} is not a word list; define it above, or write words in lower case")
        name, number, form = match.groups()
        forms = self._words[name].forms
        if (form or "") not in (forms or ("",)):
            expected = f"one of {', '.join(f'{name}.{form}' for form in forms)}" if forms else name
            self._refuse(f"{token} is not a form of {name}; expected {expected}")
        return _Slot(slots.setdefault((name, number), len(slots)), forms.index(form) if forms else 0)

    def _expand(
        self, case: str, condition: str, names: list[str], sentences: list[list[str | _Slot]]
    ) -> Iterator[Item]:
        same = [(one, other) for one, other in combinations(range(len(names)), 2) if names[one] == names[other]]
        for words in product(*(self._words[name].entries for name in names)):
            if any(words[one] is words[other] for one, other in same):
                continue
            made = tuple(
                " ".join([part if isinstance(part, str) else words[part[0]][part[1]] for part in sentence])
                for sentence in sentences
            )
            if not all(made):
                self._refuse("makes a sentence without words; write one word or more in each")
            if len(set(made)) < len(made):
                self._refuse(f"makes the same sentence twice: {made[0]!r}; use different forms")
            yield Item(case, condition, made)

    def _check_row(self) -> None:
        if self._rows and not self._rows[-1].sentences:
            self._line = self._rows[-1].line
            self._refuse(f"{self._rows[-1].name} has no template; add a case and its conditions below it")

    def _refuse(self, reason: str) -> NoReturn:
        raise UserError(f"{self._source}, line {self._line}: {reason}")


def _logical_lines(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Lines without comments, each with its number; an indented line continues the one before it."""
    pending: tuple[int, str] | None = None
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace() and pending:
            pending = pending[0], f"{pending[1]} {line.strip()}"
            continue
        if pending:
            yield pending
        pending = number, line.strip()
    if pending:
        yield pending
