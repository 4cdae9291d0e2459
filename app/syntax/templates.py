"""Templates of minimal pairs: a file of word lists and sentences with places for them, and every sentence they make."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path
from typing import NamedTuple, NoReturn

from app.common.errors import UserError
from app.common.text_files import read_lines
from app.syntax.stimuli import COMPARISONS, Construction, Item, Stimuli

MARVIN_LINZEN = Path(__file__).with_name("marvin_linzen.txt")  # come with the package
ENGLISH = Path(__file__).with_name("english.txt")  # of the words of app/grammar/english.pcfg

_WORDS = re.compile(r"words ([A-Z]+)(?: \(([a-z]+(?:/[a-z]+)*)\))?:(.*)")
_CONSTRUCTION = re.compile(r"\[(short|long)\] (\S.*)")
_CASE = re.compile(r"case (\S+)")
_CONDITION = re.compile(r"(\w+):(.*)")
_PARTS = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"([A-Z]+)(\d*)(?:\.([a-z]+))?")


@dataclass(frozen=True, slots=True)
class _Words:
    """A list to draw from.

    Args:
        forms: their names; none where there is only one.
        entries: for each one its texts, in the order of the forms.
    """

    forms: tuple[str, ...]
    entries: tuple[tuple[str, ...], ...]


class _Slot(NamedTuple):
    """A place for a word: which of the words drawn, and in which form."""

    drawn: int
    form: int


@dataclass(slots=True)
class _Row:
    """A construction while its lines are read."""

    name: str
    term: str
    line: int
    sentences: int = 0
    cases: list[str] = field(default_factory=list)


def read_templates(path: Path) -> Stimuli:
    """Read a file of templates, the format of which `marvin_linzen.txt` explains, and make all of its sentences.

    Items come in the order of the file; of the words of a template the last changes first.

    Raises:
        UserError: no such file, or a line that is not of the format; names the line.
    """
    return _Reader(str(path)).read(read_lines(path))


class _Reader:
    """Reads one file from its first line to its last, and knows where it is."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._line = 0
        self._words: dict[str, _Words] = {}
        self._rows: list[_Row] = []
        self._conditions: set[tuple[str, str]] = set()
        self._items: list[Item] = []

    def read(self, lines: Sequence[str]) -> Stimuli:
        for self._line, line in _logical_lines(lines):
            if match := _WORDS.fullmatch(line):
                self._take_words(*match.groups())
            elif match := _CONSTRUCTION.fullmatch(line):
                self._check_row()
                self._rows.append(_Row(match[2], match[1], self._line))
            elif match := _CASE.fullmatch(line):
                self._take_case(match[1])
            elif match := _CONDITION.fullmatch(line):
                self._take_condition(match[1], match[2])
            else:
                self._refuse(f"{line[:40]!r} is not understood; expected words, [short], [long], case or a condition")
        self._check_row()
        if not self._items:
            raise UserError(f"{self._source}: holds no template; expected lines such as: sing: the NOUN.sg [is | are]")
        rows = tuple(Construction(row.name, row.term, tuple(row.cases), row.sentences) for row in self._rows)
        return Stimuli(Path(self._source).name, rows, tuple(self._items))

    def _take_words(self, name: str, forms: str | None, entries: str) -> None:
        if name in self._words:
            self._refuse(f"the words {name} are given twice; use another name")
        names = tuple(forms.split("/")) if forms else ()
        found = [tuple(" ".join(text.split()) for text in entry.split("/")) for entry in entries.split(",")]
        for entry in found:
            if len(entry) != max(1, len(names)) or not all(entry):
                self._refuse(f"{'/'.join(entry)!r} has not one text for each form of {name}; part them with strokes")
        self._words[name] = _Words(names, tuple(found))

    def _take_case(self, name: str) -> None:
        if not self._rows:
            self._refuse("a case stands before the first row; begin one with [short] NAME or [long] NAME")
        if any(name in row.cases for row in self._rows):
            self._refuse(f"the case {name} is given twice; use another name")
        self._rows[-1].cases.append(name)

    def _take_condition(self, condition: str, template: str) -> None:
        if not self._rows or not self._rows[-1].cases:
            self._refuse("a condition stands before its case; begin one with case NAME")
        row = self._rows[-1]
        if (row.cases[-1], condition) in self._conditions:
            self._refuse(f"the condition {condition} is given twice; use another name")
        self._conditions.add((row.cases[-1], condition))
        drawn, sentences = self._parse(template)
        if row.sentences not in (0, len(sentences)):
            self._refuse(f"makes {len(sentences)} sentences, and other templates of {row.name} {row.sentences}")
        row.sentences = len(sentences)
        self._items += self._expand(row.cases[-1], condition, drawn, sentences)

    def _parse(self, template: str) -> tuple[list[str], list[list[str | _Slot]]]:
        """The lists that words are drawn from, and the sentences of the template."""
        counts = {part.count("|") + 1 for part in _PARTS.findall(template)}
        if len(counts) != 1 or not counts <= COMPARISONS.keys():
            self._refuse("expected brackets [a | b], or [a | b | c] in all places, for the sentences to differ")
        drawn: dict[tuple[str, str], int] = {}
        sentences = []
        for number in range(counts.pop()):
            text = _PARTS.sub(lambda part, number=number: part[1].split("|")[number], template)  # type: ignore[misc]
            sentences.append([self._token(token, drawn) for token in text.split()])
        return [name for name, _ in drawn], sentences

    def _token(self, token: str, drawn: dict[tuple[str, str], int]) -> str | _Slot:
        if not token[0].isupper():
            return token
        match = _SLOT.fullmatch(token)
        if match is None or match[1] not in self._words:
            self._refuse(f"{token} stands for no words; list them above, or write words in lower case")
        name, number, form = match.groups()
        forms = self._words[name].forms
        if (form or "") not in (forms or ("",)):
            expected = f"one of {', '.join(f'{name}.{form}' for form in forms)}" if forms else name
            self._refuse(f"{token} is no form of {name}; expected {expected}")
        return _Slot(drawn.setdefault((name, number), len(drawn)), forms.index(form) if forms else 0)

    def _expand(
        self, case: str, condition: str, drawn: list[str], sentences: list[list[str | _Slot]]
    ) -> Iterator[Item]:
        same = [(one, other) for one, other in combinations(range(len(drawn)), 2) if drawn[one] == drawn[other]]
        for words in product(*(self._words[name].entries for name in drawn)):
            if any(words[one] is words[other] for one, other in same):
                continue
            made = tuple(
                " ".join([part if isinstance(part, str) else words[part[0]][part[1]] for part in sentence])
                for sentence in sentences
            )
            if not all(made):
                self._refuse("makes a sentence without a word; expected one or more in each")
            if len(set(made)) < len(made):
                self._refuse(f"makes the same sentence twice: {made[0]!r}; let its forms differ")
            yield Item(case, condition, made)

    def _check_row(self) -> None:
        if self._rows and not self._rows[-1].sentences:
            self._line = self._rows[-1].line
            self._refuse(f"{self._rows[-1].name} has no template; expected a case and its conditions below")

    def _refuse(self, reason: str) -> NoReturn:
        raise UserError(f"{self._source}, line {self._line}: {reason}")


def _logical_lines(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Lines without comments, each with its number; one that is indented goes on with the one before."""
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
