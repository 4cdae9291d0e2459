"""Minimal pairs of one's own, in a table with tabs."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from app.common.errors import UserError
from app.common.text_files import read_lines
from app.syntax.stimuli import Construction, Item, Stimuli

GRAMMATICAL = "grammatical"
OTHERS = ("ungrammatical", "ungrammatical_2")
NAMES = ("case", "condition", GRAMMATICAL, *OTHERS)
CASE = "pairs"  # of those that name none


def read_pairs(path: Path) -> Stimuli:
    """Read pairs: a line each, the grammatical sentence, a tab and the ungrammatical one.

    A first line with the names of columns, `grammatical` and `ungrammatical` among them, may put them in another order
    and add `case`, `condition` and `ungrammatical_2`, the third sentence of a triple. Every case is a row of its own.
    Sentences are words with white space between them, written as the model's text is.

    Raises:
        UserError: not a file that can be read, not UTF-8, empty, or a line that is no pair; names the line.
    """
    lines = read_lines(path)
    names = [name.strip().lower() for name in lines[0].split("\t")]
    header = names if GRAMMATICAL in names else None
    columns = header or [GRAMMATICAL, OTHERS[0]]
    if unknown := [name for name in columns if name not in NAMES]:
        raise UserError(f"{path}, line 1: no column is called {unknown[0]!r}; expected {', '.join(NAMES)}")
    if OTHERS[0] not in columns or len(set(columns)) < len(columns):
        raise UserError(f"{path}, line 1: expected columns {GRAMMATICAL} and {OTHERS[0]}, each name once")
    items = tuple(_items(path, lines[1:] if header else lines, columns, first=2 if header else 1))
    if not items:
        raise UserError(f"{path}: holds the names of columns and nothing else; expected a pair on every line")
    return Stimuli(path.name, tuple(_constructions(path, items)), items)


def _items(path: Path, lines: Sequence[str], columns: Sequence[str], *, first: int) -> Iterator[Item]:
    needed = len(columns) - (columns[-1] == OTHERS[1])  # the third sentence may be left out
    for number, line in enumerate(lines, start=first):
        cells = line.split("\t")
        if not needed <= len(cells) <= len(columns):
            columns_named = ", ".join(columns)
            raise UserError(
                f"{path}, line {number}: {len(cells)} column{'s' * (len(cells) != 1)}, expected {len(columns)} parted "
                f"by tabs: {columns_named}"
            )
        row = {name: " ".join(cell.split()) for name, cell in zip(columns, cells, strict=False)}
        sentences = tuple(row[name] for name in (GRAMMATICAL, *OTHERS) if row.get(name) or name != OTHERS[1])
        if not all(sentences):
            raise UserError(f"{path}, line {number}: a sentence is empty; expected words in both columns")
        if len(set(sentences)) < len(sentences):
            raise UserError(f"{path}, line {number}: a sentence stands there twice; expected sentences that differ")
        yield Item(row.get("case") or CASE, row.get("condition", ""), sentences)


def _constructions(path: Path, items: Sequence[Item]) -> Iterator[Construction]:
    sizes: dict[str, int] = {}
    for item in items:
        if sizes.setdefault(item.case, len(item.sentences)) != len(item.sentences):
            raise UserError(f"{path}: {item.case} has pairs and triples; give them different cases")
    for case, size in sizes.items():
        yield Construction(case, "", (case,), size)
