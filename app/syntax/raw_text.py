"""Reads running text, and finds where its sentences end."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from app.common.errors import UserError
from app.common.spelling import split_words
from app.common.text_files import read_lines
from app.syntax.texts import Sentence, Words, spelt_words

ENDS = (".", "?", "!")  # of a sentence
# What may follow these, and what may stand before the first word of a sentence.
CLOSING = "\"')]\N{RIGHT DOUBLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}"
OPENING = "\"'`([\N{LEFT DOUBLE QUOTATION MARK}\N{LEFT SINGLE QUOTATION MARK}"


def read_raw_text(path: Path, vocabulary: Words) -> list[Sentence]:
    """Read running text: sentences may be over several lines, and blank lines separate paragraphs.

    A word that ends with ".", "?" or "!", quotes and brackets aside, ends a sentence where the next word does not begin
    with a small letter, unless it is an initial ("J.") or the vocabulary has it with its full stop ("mr.").

    Args:
        path: the file.
        vocabulary: decides what the words are, and which of them end with a full stop.

    Returns:
        The sentences with the lines where they begin, each of one region; paragraphs are texts. What has no word that
        the model can read, such as "...", is left out.

    Raises:
        UserError: the file cannot be read, is not UTF-8, or has no words.
    """
    sentences: list[Sentence] = []
    text = 0
    for paragraph in _paragraphs(read_lines(path)):
        before = len(sentences)
        for tokens in _split(paragraph, vocabulary):
            line, written = tokens[0][0], " ".join(token for _, token in tokens)
            words, places = spelt_words([written], vocabulary)
            if words:
                sentences.append(Sentence(line, text + 1, (written,), words, places))
        text += len(sentences) > before
    if not sentences:
        raise UserError(f"{path}: has no word that the model can read")
    return sentences


def _paragraphs(lines: Sequence[str]) -> Iterator[list[tuple[int, str]]]:
    """The tokens of each paragraph with the numbers of their lines."""
    tokens: list[tuple[int, str]] = []
    for number, line in enumerate([*lines, ""], start=1):
        tokens += [(number, token) for token in split_words(line)]
        if tokens and not line.strip():
            yield tokens
            tokens = []


def _split(tokens: Sequence[tuple[int, str]], vocabulary: Words) -> Iterator[Sequence[tuple[int, str]]]:
    begin = 0
    for at, (_, token) in enumerate(tokens, start=1):
        following = tokens[at][1].lstrip(OPENING) if at < len(tokens) else ""
        if at == len(tokens) or (_ends_sentence(token, vocabulary) and not following[:1].islower()):
            yield tokens[begin:at]
            begin = at


def _ends_sentence(token: str, vocabulary: Words) -> bool:
    core = token.rstrip(CLOSING).lstrip(OPENING)
    if not core.endswith(ENDS):
        return False
    if len(core) == 2 and core[0].isupper() and core[1] == ".":
        return False
    return not (core.endswith(".") and len(core) > 1 and vocabulary.words_of(core) in ([core], [core.lower()]))
