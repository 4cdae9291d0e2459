"""Reads texts of a user's, one sentence a line, whose words are counted as they are written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from app.common.errors import UserError
from app.common.spelling import split_words
from app.common.text_files import read_lines

REGIONS = "\t"  # separates the regions of a sentence


class Words(Protocol):
    """A vocabulary."""

    def words_of(self, text: str) -> list[str]:
        """The words of a text in the vocabulary's spelling."""


class Place(NamedTuple):
    """Where a word of a model is in the line.

    Args:
        written: number of the word as it is written, between white space, from 1.
        region: number of the region, from 1.
    """

    written: int
    region: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """A line of a text.

    Args:
        line: its number in the file, from 1.
        text: number of the text, from 1; blank lines separate texts.
        regions: its parts between tabs, without the white space around them.
        words: as the model's vocabulary spells them.
        places: where each of them is in the line.
    """

    line: int
    text: int
    regions: tuple[str, ...]
    words: tuple[str, ...]
    places: tuple[Place, ...]

    @property
    def written(self) -> list[str]:
        """Its words as they are written."""
        return [word for region in self.regions for word in split_words(region)]


def read_sentences(path: Path, vocabulary: Words) -> list[Sentence]:
    """Read a text file: a sentence a line, a blank line between texts, tabs between regions.

    A word between white space may be several to the model ("don't" is "do n't" to one of the Penn Treebank), or none,
    where it is punctuation that the vocabulary does not have.

    Args:
        path: the file.
        vocabulary: decides what the words are, as in `parse --text`.

    Raises:
        UserError: the file cannot be read, is not UTF-8, has no words, or a line has none that the model can read.
    """
    return list(_sentences(path, read_lines(path), vocabulary))


def _sentences(path: Path, lines: Sequence[str], vocabulary: Words) -> Iterator[Sentence]:
    text, blank = 0, True
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            blank = True
            continue
        text, blank = text + blank, False
        regions = tuple(" ".join(split_words(region)) for region in line.split(REGIONS))
        words, places = spelt_words(regions, vocabulary)
        if not words:
            raise UserError(f"{path}, line {number}: no word that the model can read, {line.strip()!r}; remove it")
        yield Sentence(number, text, regions, words, places)


def spelt_words(regions: Sequence[str], vocabulary: Words) -> tuple[tuple[str, ...], tuple[Place, ...]]:
    """The words that a model reads of a sentence, and where they are in it."""
    tokens = [(region, token) for region, part in enumerate(regions, 1) for token in split_words(part)]
    spelt = [vocabulary.words_of(token) for _, token in tokens]
    places = (
        Place(at, region) for at, ((region, _), parts) in enumerate(zip(tokens, spelt, strict=True), 1) for _ in parts
    )
    return tuple(word for parts in spelt for word in parts), tuple(places)
