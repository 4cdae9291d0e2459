"""The only place that knows torchtext: reading lines of words, and counting them into a vocabulary.

torchtext is imported by the functions that need it, because it brings a web client and more with it.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.common.errors import UserError
from app.common.vocabulary import EOS, UNK, Vocabulary

ENCODING = "utf-8-sig"  # UTF-8, without the mark that some editors put before the first line
SPECIALS = 2  # <unk> and <eos> stand before all other words


def read_words(path: Path) -> list[str]:
    """The words of a text, one sentence per line, separated by white space; `<eos>` follows the last of each line.

    Raises:
        UserError: not a file that can be read, not UTF-8, empty; a line that is empty or holds `<eos>` already.
    """
    from torchtext.datasets import LanguageModelingDataset

    _check(path)
    dataset = LanguageModelingDataset(str(path), _field(), newline_eos=True, encoding=ENCODING)
    words: list[str] = dataset.examples[0].text
    return words


def build_vocabulary(words: Sequence[str], *, limit: int | None = None) -> Vocabulary:
    """All distinct words: `<unk>`, `<eos>`, then the others by frequency and, where that is the same, by alphabet.

    Args:
        words: of the training text.
        limit: keep no more than so many, `<unk>` and `<eos>` included; None for all.

    Raises:
        UserError: a limit that leaves no word.
    """
    if limit is not None and limit <= SPECIALS:
        raise UserError(
            f"data.vocabulary_limit is {limit}; expected {SPECIALS + 1} or more, because {UNK} and {EOS} count"
        )
    field = _field()
    field.build_vocab([words], max_size=None if limit is None else limit - SPECIALS)
    return Vocabulary(field.vocab.itos)


def _field() -> Any:
    """Splits at white space; has no `<pad>`, which torchtext would give a row of the embedding."""
    from torchtext.data import Field

    return Field(pad_token=None, unk_token=UNK, eos_token=EOS)


def _check(path: Path) -> None:
    """Find what is wrong with a text, with the number of the line, before torchtext reads it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); expected a text, one sentence per line") from None
    try:
        text = content.decode(ENCODING)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: is not UTF-8; convert the file, for example with iconv") from None
    if not text.strip():
        raise UserError(f"{path}: is empty; expected a text, one sentence per line")
    for row, sentence in enumerate(io.StringIO(text, newline=None), start=1):
        words = sentence.split()
        if not words:
            raise UserError(f"{path}, line {row}: is empty; expected a sentence on every line")
        if EOS in words:
            raise UserError(f"{path}, line {row}: holds {EOS}, which is added to every line here; take it out")
