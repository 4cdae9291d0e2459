"""What trees are shown with: tables of the words and of the labelled constituents of parsed sentences, as CSV."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.common.errors import UserError
from app.common.text_files import read_json, read_text
from app.parsing.tree_files import unescaped
from app.parsing.trees import GoldSentence

WORDS, CONSTITUENTS = "words.csv", "constituents.csv"  # names of the files
SOURCE = "source.json"  # whose sentences these are
WORD_COLUMNS = ("sentence", "position", "word", "unknown")
CONSTITUENT_COLUMNS = ("sentence", "label", "start", "end")
DIGITS = 6  # of a distance


@dataclass(frozen=True, slots=True, kw_only=True)
class WordTable:
    """The words of sentences.

    Args:
        unknown: by sentence, from 0, the places of words that the model does not know.
        distances: by layer and sentence one number per word.
    """

    unknown: Sequence[frozenset[int]]
    distances: Mapping[str, Sequence[Sequence[float]]]


def words_csv(
    gold: Sequence[GoldSentence], unknown: Sequence[Sequence[bool]], distances: Sequence[Mapping[str, Sequence[float]]]
) -> str:
    """A row per word: its sentence and position, from 1, whether it is unknown, and its distance in each layer.

    Args:
        gold: the sentences.
        unknown: of every word of each.
        distances: of each sentence one number per word, by layer.
    """
    layers = list(distances[0]) if distances else []
    rows = [
        [number, place, word, int(new), *(f"{values[layer][place - 1]:.{DIGITS}g}" for layer in layers)]
        for number, (sentence, flags, values) in enumerate(zip(gold, unknown, distances, strict=True), 1)
        for place, (word, new) in enumerate(zip(sentence.words, flags, strict=True), 1)
    ]
    return _csv([*WORD_COLUMNS, *layers], rows)


def constituents_csv(gold: Sequence[GoldSentence]) -> str:
    """A row per labelled constituent of two words or more: its sentence, from 1, label, first word and last, from 1."""
    rows = [
        [number, label, start + 1, end]
        for number, sentence in enumerate(gold, 1)
        for label, start, end in sentence.constituents
    ]
    return _csv(CONSTITUENT_COLUMNS, rows)


def source_json(source: str) -> str:
    """The content of `SOURCE`."""
    return json.dumps({"source": source}, ensure_ascii=False) + "\n"


def read_source(path: Path) -> str:
    """Read what `source_json` wrote.

    Raises:
        UserError: it is something else.
    """
    value = read_json(path)
    if not isinstance(value, dict) or not isinstance(value.get("source"), str):
        raise UserError(_mistake(path, 1))
    return str(value["source"])


def read_words(path: Path, sentences: Sequence[Sequence[str]]) -> WordTable:
    """Read what `words_csv` wrote.

    Args:
        path: of the file.
        sentences: the words that it has to be about, as read from a tree file: "(" for "-LRB-".

    Raises:
        UserError: it is no such table, or one of other sentences.
    """
    header, rows = _rows(path, WORD_COLUMNS)
    layers = header[len(WORD_COLUMNS) :]
    unknown: list[set[int]] = [set() for _ in sentences]
    distances: dict[str, list[list[float]]] = {layer: [[] for _ in sentences] for layer in layers}
    counts = [0] * len(sentences)
    for line, (number, place, word, new, *values) in rows:
        try:
            sentence, at = int(number) - 1, int(place) - 1
            if sentence < 0 or at != counts[sentence] or new not in ("0", "1"):
                raise ValueError
            if sentences[sentence][at] != unescaped(word):
                raise ValueError
            for layer, value in zip(layers, values, strict=True):
                distances[layer][sentence].append(float(value))
        except (ValueError, IndexError):
            raise UserError(_mistake(path, line)) from None
        counts[sentence] += 1
        if new == "1":
            unknown[sentence].add(at)
    if counts != list(map(len, sentences)):
        raise UserError(f"{path}: words are missing; run parse again to write it")
    return WordTable(unknown=[frozenset(each) for each in unknown], distances=distances)


def read_constituents(path: Path, lengths: Sequence[int]) -> list[list[tuple[str, int, int]]]:
    """Read what `constituents_csv` wrote: of each sentence label, start and end, as in `GoldSentence`.

    Args:
        path: of the file.
        lengths: of the sentences that it has to be about, in words.

    Raises:
        UserError: it is no such table, or one of other sentences.
    """
    _, rows = _rows(path, CONSTITUENT_COLUMNS)
    found: list[list[tuple[str, int, int]]] = [[] for _ in lengths]
    for line, (number, label, first, last) in rows:
        try:
            sentence, start, end = int(number) - 1, int(first) - 1, int(last)
            if sentence < 0 or not 0 <= start < end <= lengths[sentence]:
                raise ValueError
        except (ValueError, IndexError):
            raise UserError(_mistake(path, line)) from None
        found[sentence].append((label, start, end))
    return found


def _rows(path: Path, columns: Sequence[str]) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header and the rows with their lines; every row is as long as the header."""
    text, _ = read_text(path)
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        header = next(reader, [])
        if tuple(header[: len(columns)]) != tuple(columns):
            raise UserError(_mistake(path, 1))
        rows = []
        for row in reader:
            if len(row) != len(header):
                raise UserError(_mistake(path, reader.line_num))
            rows.append((reader.line_num, row))
    except csv.Error:
        raise UserError(_mistake(path, reader.line_num)) from None
    return header, rows


def _mistake(path: Path, line: int) -> str:
    return f"{path}, line {line}: not what parse writes; run parse again to write it"


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
