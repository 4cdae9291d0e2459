"""Spans in JSON, a sentence a line, with labels or without, as an object with the words or alone.

{"words": ["the", "cat", "sat"], "spans": [[0, 2, "NP"], [0, 3, "S"]]}
"""

from collections.abc import Sequence
from typing import Any

from app.common.errors import UserError
from app.parsing.tree_formats.any_tree import AnyTree, tree_of_spans
from app.parsing.tree_formats.json_lines import read_value, words_of

SPANS = "spans"


def recognises(text: str) -> bool:
    """Whether every line is spans, and they may be of words up to their ends, exclusive."""
    return _rows(text) is not None


def recognises_inclusive(text: str) -> bool:
    """Whether every line is spans, and their ends are last words: one begins at its end, or none reaches the length.

    None reaches it either where ends are exclusive and the sentence's last word, such as a full stop, is in no span;
    then spans that follow one another would cross if their ends were last words.
    """
    rows = _rows(text)
    if rows is None:
        return False
    if any(span[0] == span[1] for _, spans in rows for span in spans):
        return True
    known = [(len(words), max(span[1] for span in spans)) for words, spans in rows if words is not None and spans]
    return bool(known) and all(end == length - 1 for length, end in known) and not any(_cross(*row) for row in rows)


def _cross(words: Sequence[str] | None, spans: Sequence[Sequence[Any]]) -> bool:
    """Whether two spans cross, or one is not within the sentence, if their ends are last words."""
    ends = [(span[0], span[1] + 1) for span in spans]
    try:
        tree_of_spans(len(words) if words is not None else max(end for _, end in ends), ends)
    except UserError:
        return True
    return False


def read(text: str, source: str) -> list[AnyTree]:
    """Read a sentence a line; the end of a span is the word after its last one. Words count from 0.

    Raises:
        UserError: a line is no such spans, a span is not within the sentence, or two of them cross; names the line.
    """
    return _read(text, source, last=0)


def read_inclusive(text: str, source: str) -> list[AnyTree]:
    """The same, where the end of a span is its last word.

    Raises:
        UserError: as `read`.
    """
    return _read(text, source, last=1)


def _rows(text: str) -> list[tuple[Sequence[str] | None, list[Sequence[Any]]]] | None:
    if text.lstrip()[:1] not in ("[", "{"):
        return None
    try:
        rows = [_row(line, "") for line in text.split("\n") if line.strip()]
    except UserError:
        return None
    return None if all(words is None and _are_leaves(spans) for words, spans in rows) else rows


def _are_leaves(spans: Sequence[Sequence[Any]]) -> bool:
    """Whether the numbers of spans alone are 0, 1, 2, ...: then they are nested lists of words' numbers."""
    numbers = [number for span in spans for number in span]
    return numbers == list(range(len(numbers)))


def _row(content: str, where: str) -> tuple[Sequence[str] | None, list[Sequence[Any]]]:
    """The words, if there are any, and the spans of a line: start, end, and a label if it has one."""
    value = read_value(content, where)
    words = words_of(value, where) if isinstance(value, dict) else None
    spans = value.get(SPANS) if isinstance(value, dict) else value
    if not isinstance(spans, list) or not all(_is_span(span) for span in spans):
        raise UserError(f'{where}: expected spans such as [[0, 2], [0, 3]] or [[0, 2, "NP"], [0, 3, "S"]]')
    if words is None and not spans:
        raise UserError(f"{where}: has neither words nor spans; how long is the sentence?")
    return words, spans


def _is_span(span: Any) -> bool:
    return (
        isinstance(span, list)
        and len(span) in (2, 3)
        and all(type(end) is int and end >= 0 for end in span[:2])
        and all(isinstance(label, str) for label in span[2:])
    )


def _read(text: str, source: str, *, last: int) -> list[AnyTree]:
    found = []
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        where = f"{source}, line {line}"
        words, rows = _row(content, where)
        spans = [(span[0], span[1] + last) for span in rows]
        length = len(words) if words is not None else max(end for _, end in spans)
        if any(start >= end for start, end in spans):
            raise UserError(
                f"{where}: a span ends before it begins; are the ends last words? --score_format inclusive_spans"
            )
        try:
            tree = tree_of_spans(length, spans)
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
        labels = [span[2] for span in rows if len(span) > 2]
        phrases = (
            tuple((label, *span) for label, span in zip(labels, spans, strict=True)) if len(labels) == len(rows) else ()
        )
        found.append(
            AnyTree(line=line, words=None if words is None else tuple(words), length=length, tree=tree, phrases=phrases)
        )
    return found
