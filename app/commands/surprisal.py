"""`python -m app surprisal`: what each word of a text tells a language model, and what it expects next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from app.commands.progress import progress
from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.lines import print_line
from app.common.vocabulary import EOS, UNK, Vocabulary, vocabulary_of
from app.plotting.canvas import render
from app.plotting.surprisal import SurprisalPanel, surprisal_figure
from app.runs.output_directory import check_output, claim_output
from app.syntax.raw_text import read_raw_text
from app.syntax.surprisal_tables import WordValues, regions_table, words_table, written_table
from app.syntax.texts import Sentence, read_sentences

WORDS, WRITTEN, REGIONS = "words.tsv", "written.tsv", "regions.tsv"
PICTURE, KINDS = "surprisal", ("svg", "png", "pdf")
OPTION = "--output"


class Reader(Protocol):
    """The interface of a model that predicts words; of a reading the numbers in `app.modules.readings.Reading`."""

    vocabulary: Vocabulary | None

    def readings(
        self, sentences: Sequence[Sequence[str]], *, carried: bool = False, advance: Callable[[int], None] = ...
    ) -> Sequence[Any]:
        """Surprisal, entropy and distances of each sentence; `advance` is called with the number of sentences done."""


@dataclass(frozen=True, kw_only=True)
class SurprisalOptions:
    """Options of the surprisal command.

    Args:
        input: a text file, a sentence a line; blank lines separate texts, tabs the regions of a sentence.
        output: directory for tables and pictures.
        carry: whether the model's state is carried from sentence to sentence of a text.
        draw: lines of the sentences to draw in one picture.
        raw: whether the file is running text, whose sentences have to be found; `draw` then names sentences.
    """

    input: Path
    output: Path
    carry: bool = False
    draw: Sequence[int] = ()
    raw: bool = False


def measure_surprisal(model: Reader, options: SurprisalOptions) -> None:
    """Print how well a model predicts a text, and write and draw surprisal word by word.

    Raises:
        UserError: the model has no vocabulary, the file cannot be read, or it has no sentence on a line to be drawn.
    """
    vocabulary = vocabulary_of(model)
    sentences = (read_raw_text if options.raw else read_sentences)(options.input, vocabulary)
    drawn = _drawn(options, sentences)
    has_regions = any(len(sentence.regions) > 1 for sentence in sentences)
    pictures = [f"{PICTURE}.{kind}" for kind in KINDS if options.draw]
    files = [WORDS, WRITTEN, *([REGIONS] if has_regions else []), *pictures]
    check_output(options.output, files, OPTION)
    read = list(zip(sentences, _read(model, sentences, vocabulary, carry=options.carry), strict=True))
    claim_output(options.output, files, OPTION)
    write_atomically(options.output / WORDS, words_table(read))
    write_atomically(options.output / WRITTEN, written_table(read))
    if has_regions:
        write_atomically(options.output / REGIONS, regions_table(read))
    _print(read, options)
    if options.draw:
        figure = surprisal_figure([_panel(*read[number]) for number in drawn])
        for kind in KINDS:
            write_atomically(options.output / f"{PICTURE}.{kind}", render(figure, kind))
        print_line(f"drawn: {options.output / PICTURE}.{KINDS[0]}, {', '.join(f'.{kind}' for kind in KINDS[1:])}")


def _drawn(options: SurprisalOptions, sentences: Sequence[Sentence]) -> list[int]:
    """The indices of the sentences on the lines to draw; of those with the numbers, from 1, where the text is raw."""
    found = {number + 1 if options.raw else sentence.line: number for number, sentence in enumerate(sentences)}
    for place in options.draw:
        if place not in found:
            raise UserError(
                f"--draw names sentence {place}; {options.input} has {len(sentences)}"
                if options.raw
                else f"--draw names line {place}; {options.input} has no sentence there"
            )
    return [found[place] for place in options.draw]


def _read(
    model: Reader, sentences: Sequence[Sentence], vocabulary: Vocabulary, *, carry: bool
) -> list[list[WordValues]]:
    """What the model says of each word of each sentence."""
    readings: list[Any] = []
    with progress() as bars:
        task = bars.add_task("reading sentences", total=len(sentences))
        texts = groupby(sentences, key=lambda sentence: sentence.text) if carry else [(0, sentences)]
        for _, text in texts:
            words = [sentence.words for sentence in text]
            readings += model.readings(words, carried=carry, advance=lambda done: bars.advance(task, done))
    unknown = set(vocabulary.unknown(word for sentence in sentences for word in sentence.words))
    return [
        [
            WordValues(word in unknown, surprisal, entropy, distances)
            for word, surprisal, entropy, distances in zip(
                sentence.words,
                reading.surprisal.tolist(),
                reading.entropy.tolist(),
                reading.distances.t().tolist(),
                strict=True,
            )
        ]
        for sentence, reading in zip(sentences, readings, strict=True)
    ]


def _print(read: Sequence[tuple[Sentence, list[WordValues]]], options: SurprisalOptions) -> None:
    words = [value for _, values in read for value in values]
    unknown = sum(value.unknown for value in words)
    mean = sum(value.surprisal for value in words) / len(words)
    share = f"; {unknown:,} ({unknown / len(words):.1%}) are not in the vocabulary and read as {UNK}" if unknown else ""
    texts = read[-1][0].text
    how = (
        f"the state is carried through each of {texts} text{'s' * (texts != 1)}"
        if options.carry
        else "each sentence is read by itself"
    )
    print_line(f"{len(read):,} sentences, {len(words):,} words{share}; {how}, with {EOS} before every sentence")
    print_line(f"mean surprisal {mean:.3f} bits a word (perplexity {2**mean:.2f}, {EOS} not counted)")
    print(f"word by word in {options.output}")


def _panel(sentence: Sentence, values: Sequence[WordValues]) -> SurprisalPanel:
    return SurprisalPanel(sentence.words, [value.surprisal for value in values], [value.unknown for value in values])
