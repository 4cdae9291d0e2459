"""Reads the user's own minimal pairs, from a tab-separated table or from JSON lines."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from app.common.errors import UserError
from app.common.spelling import split_words
from app.common.text_files import read_lines
from app.syntax.json_pairs import is_json_pairs, read_json_pairs
from app.syntax.stimuli import Construction, Item, Stimuli

GRAMMATICAL = "grammatical"
OTHERS = ("ungrammatical", "ungrammatical_2")
NAMES = ("case", "condition", GRAMMATICAL, *OTHERS)
CASE = "pairs"  # the case of pairs that name none


def read_pairs(path: Path) -> Stimuli:
    """Read pairs, one per line: the grammatical sentence, a tab and the ungrammatical sentence; or JSON lines.

    A folder and a file with the suffix .jsonl are read by `read_json_pairs`.

    The first line may be a header that includes `grammatical` and `ungrammatical`; it can change the order of the
    columns and add `case`, `condition` and `ungrammatical_2`, the third sentence of a triple. Every case is a row of
    the table. Sentences are words separated by white space.

    Raises:
        UserError: the file cannot be read, is not UTF-8 or is empty, or a line is not a pair; names the line.
    """
    if is_json_pairs(path):
        return read_json_pairs(path)
    lines = read_lines(path)
    names = [name.strip().lower() for name in lines[0].split("\t")]
    header = names if GRAMMATICAL in names else None
    columns = header or [GRAMMATICAL, OTHERS[0]]
    if unknown := [name for name in columns if name not in NAMES]:
        raise UserError(f"{path}, line 1: no column is called {unknown[0]!r}; expected {', '.join(NAMES)}")
    if OTHERS[0] not in columns or len(set(columns)) < len(columns):
        raise UserError(f"{path}, line 1: expected the columns {GRAMMATICAL} and {OTHERS[0]}, each once")
    items = tuple(_items(path, lines[1:] if header else lines, columns, first=2 if header else 1))
    if not items:
        raise UserError(f"{path}: has a header but no pairs; expected a pair on every line")
    return Stimuli(path.name, tuple(_constructions(path, items)), items)


def _items(path: Path, lines: Sequence[str], columns: Sequence[str], *, first: int) -> Iterator[Item]:
    needed = len(columns) - (columns[-1] == OTHERS[1])  # the third sentence is optional
    for number, line in enumerate(lines, start=first):
        cells = line.split("\t")
        if not needed <= len(cells) <= len(columns):
            columns_named = ", ".join(columns)
            raise UserError(
                f"{path}, line {number}: {len(cells)} column{'s' * (len(cells) != 1)}, expected {len(columns)} "
                f"separated by tabs: {columns_named}"
            )
        row = {name: " ".join(split_words(cell)) for name, cell in zip(columns, cells, strict=False)}
        sentences = tuple(row[name] for name in (GRAMMATICAL, *OTHERS) if row.get(name) or name != OTHERS[1])
        if not all(sentences):
            raise UserError(f"{path}, line {number}: a sentence is empty; write words in both columns")
        if len(set(sentences)) < len(sentences):
            raise UserError(f"{path}, line {number}: the same sentence twice; write sentences that differ")
        yield Item(row.get("case") or CASE, row.get("condition", ""), sentences)


def _constructions(path: Path, items: Sequence[Item]) -> Iterator[Construction]:
    sizes: dict[str, int] = {}
    for item in items:
        if sizes.setdefault(item.case, len(item.sentences)) != len(item.sentences):
            raise UserError(f"{path}: {item.case} has pairs and triples; use a different case for each")
    for case, size in sizes.items():
        yield Construction(case, "", (case,), size)
