"""Tables of surprisal: of the words of a model, of the words as they are written, and of regions."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from app.syntax.texts import Sentence

OF_SENTENCE = ("sentence", "line", "text")
OF_SUM = ("words", "unknown", "surprisal_bits", "entropy_bits")


class WordValues(NamedTuple):
    """What a model says of a word of a sentence.

    Args:
        unknown: whether the model reads it as `<unk>`.
        surprisal: in bits.
        entropy: of what follows, in bits.
        distances: one for each layer.
    """

    unknown: bool
    surprisal: float
    entropy: float
    distances: Sequence[float]


Read = Sequence[tuple[Sentence, Sequence[WordValues]]]


def words_table(read: Read) -> str:
    """One line for each word of the model, as TSV.

    Columns: number of the sentence; its line in the file; number of the text; the word's position; the word in the
    vocabulary's spelling; `written`, the number of the word of the line that it is (part of); region; unknown, 0 or 1;
    surprisal and entropy in bits; and the distance of each layer.
    """
    layers = max((len(values.distances) for _, of_words in read for values in of_words), default=0)
    head = [*OF_SENTENCE, "position", "word", "written", "region", "unknown", "surprisal_bits", "entropy_bits"]
    rows: list[Sequence[Any]] = [[*head, *(f"distance_layer_{layer}" for layer in range(1, layers + 1))]]
    for number, (sentence, of_words) in enumerate(read, start=1):
        for position, (word, place, values) in enumerate(
            zip(sentence.words, sentence.places, of_words, strict=True), start=1
        ):
            of_sentence = number, sentence.line, sentence.text
            numbers = int(values.unknown), values.surprisal, values.entropy, *values.distances
            rows.append([*of_sentence, position, word, place.written, place.region, *numbers])
    return _tsv(rows)


def written_table(read: Read) -> str:
    """One line for each word as it is written between white space, as TSV: sums over the words of the model in it.

    Columns: number of the sentence; its line; number of the text; the word's number in the line and its text; how many
    words of the model it is; how many of them are unknown; the sum of their surprisal; the entropy after the last. The
    last two are empty where the model has no word for it, as for punctuation that it does not know.
    """
    return _sums_table(
        ("written", "written_word"),
        read,
        lambda sentence: (sentence.written, [place.written for place in sentence.places]),
    )


def regions_table(read: Read) -> str:
    """One line for each region of each sentence, as TSV; columns as in `written_table`."""
    return _sums_table(
        ("region", "region_text"),
        read,
        lambda sentence: (sentence.regions, [place.region for place in sentence.places]),
    )


def _sums_table(
    names: tuple[str, str], read: Read, parts_of: Callable[[Sentence], tuple[Sequence[str], Sequence[int]]]
) -> str:
    """Sums over the words of the model in each part of each sentence.

    Args:
        names: columns of a part's number and text.
        read: the sentences.
        parts_of: the texts of the parts, and for each word of the model the number of the part that it is in, from 1.
    """
    rows: list[Sequence[Any]] = [[*OF_SENTENCE, *names, *OF_SUM]]
    for number, (sentence, of_words) in enumerate(read, start=1):
        texts, of_word = parts_of(sentence)
        sums = _sums(of_word, of_words)
        for part, text in enumerate(texts, start=1):
            rows.append([number, sentence.line, sentence.text, part, text, *sums.get(part, _NONE)])
    return _tsv(rows)


_NONE = (0, 0, None, None)


def _sums(keys: Iterable[int], of_words: Sequence[WordValues]) -> dict[int, tuple[Any, ...]]:
    """Counts, sum of surprisal and last entropy of the words with the same key, by key."""
    found = {}
    for key, group in groupby(zip(keys, of_words, strict=True), key=lambda pair: pair[0]):
        values = [value for _, value in group]
        unknown = sum(value.unknown for value in values)
        found[key] = (len(values), unknown, sum(value.surprisal for value in values), values[-1].entropy)
    return found


def _tsv(rows: Iterable[Sequence[Any]]) -> str:
    """Tab-separated values; numbers with six digits after the point, empty cells for None."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
    writer.writerows([f"{cell:.6f}" if isinstance(cell, float) else cell for cell in row] for row in rows)
    return text.getvalue()
