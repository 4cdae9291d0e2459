"""Reads texts and builds vocabularies with torchtext; no other file uses torchtext.

torchtext is imported only by the functions that need it, because it imports a web client and more.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.common.errors import UserError
from app.common.spelling import split_words
from app.common.text_files import read_bytes
from app.common.vocabulary import EOS, UNK, Vocabulary

ENCODING = "utf-8-sig"  # UTF-8, with or without a byte order mark
LARGEST = 1 << 31  # bytes; in memory torchtext needs some twenty times as many
SPECIALS = 2  # <unk> and <eos>, which come before all other words


def read_words(path: Path) -> list[str]:
    """Read the words of a text, one sentence per line, separated by white space; adds `<eos>` after each line.

    Raises:
        UserError: the file cannot be read, is too large for torchtext, is not UTF-8 or is empty; or a line is empty or
            contains `<eos>`.
    """
    from torchtext.datasets import LanguageModelingDataset

    _check(path)
    dataset = LanguageModelingDataset(str(path), _field(), newline_eos=True, encoding=ENCODING)
    words: list[str] = dataset.examples[0].text
    return words


def build_vocabulary(words: Sequence[str], *, limit: int | None = None) -> Vocabulary:
    """All distinct words: `<unk>`, `<eos>`, then the others by frequency, ties in alphabetical order.

    Args:
        words: of the training text.
        limit: keep at most this many words, including `<unk>` and `<eos>`; None for all.

    Raises:
        UserError: the limit leaves no other word.
    """
    if limit is not None and limit <= SPECIALS:
        raise UserError(
            f"data.vocabulary_limit is {limit}; expected {SPECIALS + 1} or more, because {UNK} and {EOS} count"
        )
    field = _field()
    field.build_vocab([words], max_size=None if limit is None else limit - SPECIALS)
    return Vocabulary(field.vocab.itos)


def _field() -> Any:
    """A field that splits at white space, without `<pad>`, for which torchtext would add a row to the embedding."""
    from torchtext.data import Field

    return Field(tokenize=split_words, pad_token=None, unk_token=UNK, eos_token=EOS)


def _check(path: Path) -> None:
    """Check a text before torchtext reads it, for errors with line numbers."""
    content = read_bytes(path, LARGEST)
    try:
        text = content.decode(ENCODING)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: is not UTF-8; convert the file, for example with iconv") from None
    if not text.strip():
        raise UserError(f"{path}: is empty; expected a text, one sentence per line")
    for row, sentence in enumerate(io.StringIO(text, newline=None), start=1):
        words = split_words(sentence)
        if not words:
            raise UserError(
                f"{path}, line {row}: is empty; expected a sentence on every line (datamodules.TextFolder reads blank "
                "lines too)"
            )
        if EOS in words:
            raise UserError(
                f"{path}, line {row}: contains {EOS}, which is added to every line here; remove it, or read the texts "
                "by datamodules.TextFolder"
            )
