"""The vocabulary of a language model."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from app.common.errors import UserError
from app.common.spelling import Spelling

EOS = "<eos>"  # follows every line, and precedes a sentence that is read by itself
UNK = "<unk>"  # replaces words that are not in the vocabulary


class Vocabulary:
    """A list of distinct words, including `<eos>`, that assigns each word its number.

    Args:
        words: the words in the order of the embedding's rows.
        spelling: how words are spelt; None to take it from the words.

    Raises:
        UserError: a word occurs twice, or `<eos>` is missing.
    """

    def __init__(self, words: Sequence[str], spelling: Spelling | None = None) -> None:
        self.words = list(words)
        self.spelling = spelling or Spelling.of(self.words)
        self._index = {word: number for number, word in enumerate(self.words)}
        if len(self._index) != len(self.words):
            twice = next(word for number, word in enumerate(self.words) if self._index[word] != number)
            raise UserError(f"the vocabulary holds {twice!r} twice; every word needs a row of its own")
        if EOS not in self._index:
            raise UserError(f"the vocabulary has no {EOS}, which ends every line")

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._index

    @property
    def sha256(self) -> str:
        """SHA-256 of the words joined by newlines, hexadecimal."""
        return hashlib.sha256("\n".join(self.words).encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """The words, their SHA-256 and their spelling, for a checkpoint."""
        return {"words": self.words, "sha256": self.sha256, "spelling": self.spelling.as_dict()}

    def encode(self, words: Iterable[str]) -> list[int]:
        """The numbers of words; an unknown word gets the number of `<unk>`.

        Raises:
            UserError: a word is unknown and the vocabulary has no `<unk>`.
        """
        words = list(words)
        if UNK not in self._index and (unknown := self.unknown(words)):
            raise UserError(
                f"{', '.join(unknown)}: not in the vocabulary, which has no {UNK} to stand for unknown words"
            )
        return [self._index.get(word, self._index.get(UNK, -1)) for word in words]

    def words_of(self, text: str) -> list[str]:
        """The words of a user's text in the spelling of the vocabulary; see `Spelling.words`."""
        return self.spelling.words(text, self)

    def unknown(self, words: Iterable[str]) -> list[str]:
        """The distinct words that are not in the vocabulary, in order of appearance."""
        return [word for word in dict.fromkeys(words) if word not in self._index]


class HasVocabulary(Protocol):
    """A model that knows its words, or is yet to be told them."""

    vocabulary: Vocabulary | None


def vocabulary_of(model: HasVocabulary) -> Vocabulary:
    """The vocabulary of a model.

    Raises:
        UserError: it has none.
    """
    if model.vocabulary is None:
        raise UserError("this checkpoint has no vocabulary; train with one of our data modules")
    return model.vocabulary
