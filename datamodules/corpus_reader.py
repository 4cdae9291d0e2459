"""Reads texts of millions of words line by line; words become numbers at once, so that they are not all in memory."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from app.common.errors import UserError
from app.common.spelling import split_words
from app.common.vocabulary import EOS, UNK, Vocabulary

LONGEST_LINE = 1 << 20  # bytes of a sentence


# The words of a line, `<eos>` included; a UserError says what is wrong with a line.
WordsOfLine = Callable[[str], list[str]]


def sentence(line: str) -> list[str]:
    """The words of a line that is a sentence, and `<eos>`, which the line may end with; nothing of an empty line.

    Raises:
        UserError: the line has `<eos>` elsewhere than at its end.
    """
    words = split_words(line)
    if words and words[-1] == EOS:
        words.pop()
    if EOS in words:
        raise UserError(f"has {EOS} elsewhere than at its end; remove it")
    return [*words, EOS] if words else []


def encode(path: Path, vocabulary: Vocabulary, words_of: WordsOfLine = sentence) -> Tensor:
    """The numbers of all words of a text: int64[N].

    Args:
        path: a text in UTF-8.
        vocabulary: includes `<unk>`, for other words.
        words_of: the words of a line.

    Raises:
        UserError: the file cannot be read, is not UTF-8 or is empty, or something is wrong with a line.
    """
    number = {word: index for index, word in enumerate(vocabulary.words)}
    unknown = number[UNK]
    found = array("q")
    for words in _lines(path, words_of):
        found.extend([number.get(word, unknown) for word in words])
    if not found:
        raise UserError(f"{path}: is empty; expected a text, one sentence per line")
    return torch.from_numpy(np.frombuffer(found, dtype=np.int64))


def count_words(*paths: Path, words_of: WordsOfLine = sentence, limit: int | None = None, least: int = 1) -> Vocabulary:
    """The distinct words of texts: `<unk>`, `<eos>`, then the others by frequency, ties in alphabetical order.

    Args:
        paths: as for `encode`.
        words_of: the words of a line.
        limit: keep at most this many words, including `<unk>` and `<eos>`; None for all.
        least: leave words out that occur fewer times than this.

    Raises:
        UserError: as for `encode`.
    """
    counts = Counter[str]()
    for path in paths:
        for words in _lines(path, words_of):
            counts.update(words)
    del counts[UNK], counts[EOS]
    words = sorted((word for word, count in counts.items() if count >= least), key=lambda word: (-counts[word], word))
    return Vocabulary([UNK, EOS, *words][:limit])


def read_vocabulary(path: Path) -> Vocabulary:
    """Read a vocabulary file, one word per line; the words keep their order.

    Raises:
        UserError: the file cannot be read or is not UTF-8; a line is not one word, a word occurs twice, or `<unk>` or
            `<eos>` is missing.
    """
    words = []
    for number, line in enumerate(_decoded(path), start=1):
        parts = split_words(line)
        if len(parts) != 1:
            raise UserError(f"{path}, line {number}: has {len(parts)} words; expected one on every line")
        words.append(parts[0])
    if UNK not in words:
        raise UserError(f"{path}: has no {UNK}, which stands for all other words; add it")
    try:
        return Vocabulary(words)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _lines(path: Path, words_of: WordsOfLine) -> Iterator[list[str]]:
    """The words of each line that has any, `<eos>` included."""
    for number, line in enumerate(_decoded(path), start=1):
        try:
            words = words_of(line)
        except UserError as error:
            raise UserError(f"{path}, line {number}: {error}") from None
        if words:
            yield words


def _decoded(path: Path) -> Iterator[str]:
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE + 1), b""), start=1):
                if len(line) > LONGEST_LINE:
                    raise UserError(f"{path}, line {number}: more than {LONGEST_LINE:,} bytes; is it the right file?")
                try:
                    yield line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError:
                    reason = "is not UTF-8; convert the file, for example with iconv"
                    raise UserError(f"{path}, line {number}: {reason}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); expected a text") from None
