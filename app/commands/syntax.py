"""`python -m app syntax`: scores how often a language model prefers the grammatical one of two sentences."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rich.progress import Progress

from app.commands.progress import progress
from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.lines import print_line
from app.common.spelling import split_words
from app.common.tables import print_table
from app.common.vocabulary import EOS, Vocabulary, vocabulary_of
from app.plotting.bars import bars
from app.plotting.canvas import render
from app.runs.output_directory import check_output, claim_output
from app.syntax.condition_scores import ConditionScore, SyntaxRow, pool, score_conditions
from app.syntax.pairs import read_pairs
from app.syntax.score_files import NAMES, outcomes_csv, read_csv, to_csv
from app.syntax.stimuli import Stimuli
from app.syntax.table import TERMS, matched, syntax_table
from app.syntax.templates import MARVIN_LINZEN, read_templates

if TYPE_CHECKING:  # comparing score files does not need torch
    from torch import Tensor

SCORES = "scores.csv"
SENTENCES = "sentences.csv"
OUTCOMES = "outcomes.csv"  # which items are right, for comparisons of models
ACCURACY, KINDS = "accuracy", ("svg", "png", "pdf")  # the picture
OPTION = "--output"
FULL_STOP = "."
ENDS = (FULL_STOP, "?", "!")  # of a sentence, where the vocabulary has a full stop
CLOSING = ("''", '"', ")", "-RRB-")  # may follow the end
CHANCE = 0.5
NAMED = 10  # most unknown words listed
TABLE = "syntax"
TABLE_COLUMNS = ["row", "term", "items", "accuracy", "accuracy_known", "unknown"]


class SentenceScorer(Protocol):
    """The interface of a model that assigns probabilities to sentences."""

    vocabulary: Vocabulary | None

    def log_probabilities(
        self, sentences: Sequence[Sequence[str]], *, advance: Callable[[int], None] | None = None
    ) -> "Tensor":
        """The log probability of each sentence; `advance` is called with the number of sentences done."""


@dataclass(frozen=True, kw_only=True)
class SyntaxOptions:
    """Options of the syntax command.

    Args:
        output: directory for tables and pictures.
        name: the model's name in tables and pictures.
        pairs: file with the user's own pairs.
        templates: file with the user's own templates.

    Raises:
        UserError: both are given.
    """

    output: Path
    name: str
    pairs: Path | None = None
    templates: Path | None = None

    def __post_init__(self) -> None:
        if self.pairs is not None and self.templates is not None:
            raise UserError("--pairs and --templates are both given; choose one")

    def stimuli(self, data: Any) -> Stimuli:
        """The sentences to score: the user's own, the data module's, or else Marvin and Linzen's.

        Args:
            data: a data module; its `templates` are used if it has any.

        Raises:
            UserError: the user's file is invalid, or the data module has no templates for the user's own grammar.
        """
        if self.pairs is not None:
            return read_pairs(self.pairs)
        if self.templates is not None:
            return read_templates(self.templates)
        return read_templates(getattr(data, "templates", MARVIN_LINZEN))


def score_syntax(model: SentenceScorer, stimuli: Stimuli, options: SyntaxOptions) -> list[list[Any]]:
    """Print, write and draw how often the better sentence is the more probable one.

    Returns:
        The rows of the table, with the columns `TABLE_COLUMNS`.

    Raises:
        UserError: the model has no vocabulary.
    """
    vocabulary = vocabulary_of(model)
    files = [SCORES, OUTCOMES, *([SENTENCES] if options.pairs is not None else []), *names_of_drawing(ACCURACY)]
    check_output(options.output, files, OPTION)
    scored = score_stimuli(model, stimuli, own=options.pairs is not None)
    _print_unknown(scored.unknown)
    rows, end = pool(scored.scores), sentence_end(vocabulary)
    print_table(syntax_table(rows, title=f"{options.name}, {len(stimuli.items):,} items of {stimuli.source}"))
    print_line(f"log p of each sentence alone, after {EOS} and up to {'its full stop' if end == FULL_STOP else end}")
    claim_output(options.output, files, OPTION)
    write_atomically(options.output / SCORES, to_csv(options.name, scored.scores))
    write_atomically(options.output / OUTCOMES, outcomes_csv(scored.scores))
    if options.pairs is not None:
        write_atomically(options.output / SENTENCES, _sentences_csv(stimuli, scored.log_probability))
    print(f"scores are in {options.output}")
    draw({options.name: rows}, options.output / ACCURACY)
    return table_rows(rows)


def table_rows(rows: Iterable[SyntaxRow]) -> list[list[Any]]:
    """Rows of the table as loggers take them; columns `TABLE_COLUMNS`."""
    return [
        [row.name, row.term, row.tally.items, row.tally.accuracy, row.tally.accuracy_known, row.tally.unknown]
        for row in rows
    ]


def read_table(path: Path) -> tuple[list[str], list[list[Any]]]:
    """The columns and rows of the table of a scores.csv, as loggers take them.

    Raises:
        UserError: it is damaged.
    """
    return TABLE_COLUMNS, table_rows(pool(read_csv(path)[1]))


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The probabilities of sentences, and what follows from them.

    Args:
        scores: of all conditions.
        log_probability: of each sentence.
        unknown: words that are not in the vocabulary.
    """

    scores: list[ConditionScore]
    log_probability: Mapping[str, float]
    unknown: Sequence[str]


def score_stimuli(model: SentenceScorer, stimuli: Stimuli, *, own: bool, within: Progress | None = None) -> Scored:
    """Score all sentences, and count in which items the better one is the more probable one.

    Args:
        model: has a vocabulary.
        stimuli: the items.
        own: whether the sentences are the user's own: templates are spelt as the papers' models need them.
        within: bars that are shown already.

    Raises:
        UserError: the model has no vocabulary, or does not see the difference between the sentences of an item.
    """
    vocabulary = vocabulary_of(model)
    texts = list(dict.fromkeys(sentence for item in stimuli.items for sentence in item.sentences))
    end = sentence_end(vocabulary)
    spelt = _spelt(stimuli, vocabulary) if own else {text: split_words(text) for text in texts}
    sentences = [ended(spelt[text], end) for text in texts]
    words = vocabulary.unknown(dict.fromkeys(word for sentence in sentences for word in sentence))
    unknown = {text for text, sentence in zip(texts, sentences, strict=True) if not set(words).isdisjoint(sentence)}
    log_probability = dict(zip(texts, _scored(model, sentences, within), strict=True))
    return Scored(
        scores=score_conditions(stimuli, log_probability, unknown), log_probability=log_probability, unknown=words
    )


def sentence_end(vocabulary: Vocabulary) -> str:
    """The token that ends a sentence and counts towards its probability.

    The authors append a full stop to every sentence and count it, but not the `<eos>` after it. Texts without full
    stops, such as the Penn Treebank and our grammar, end their sentences with `<eos>`, which counts there instead.
    """
    return FULL_STOP if FULL_STOP in vocabulary else EOS


def ended(words: list[str], end: str) -> list[str]:
    """Append the end token, unless the sentence has it already; nothing follows a question or exclamation mark."""
    last = next((word for word in reversed(words) if word not in CLOSING), "")
    return words if last in ((end,) if end != FULL_STOP else ENDS) else [*words, end]


def draw(models: Mapping[str, Sequence[SyntaxRow]], path: Path) -> None:
    """Draw the accuracies of all rows as bars, and write them as SVG, PNG and PDF.

    Args:
        models: the rows of each model, by the model's name.
        path: of the pictures, without the suffix.
    """
    groups = {
        TERMS[term]: {rows[0].name: [row.tally.accuracy for row in rows] for rows in group}
        for term, group in groupby(matched(models), key=lambda rows: rows[0].term)
    }
    figure = bars(groups, list(models), axis="accuracy", reference=CHANCE)
    claim_output(path.parent, names_of_drawing(path.name), OPTION)
    for kind in KINDS:
        write_atomically(path.with_suffix(f".{kind}"), render(figure, kind))
    print_line(f"drawn: {path.with_suffix(f'.{KINDS[0]}')}, {', '.join(f'.{kind}' for kind in KINDS[1:])}")


def names_of_drawing(stem: str) -> list[str]:
    """The names of the files that `draw` writes."""
    return [f"{stem}.{kind}" for kind in KINDS]


def _spelt(stimuli: Stimuli, vocabulary: Vocabulary) -> dict[str, list[str]]:
    """The words of each sentence of the user's, in the spelling of the vocabulary.

    Raises:
        UserError: a sentence has no words, or two of an item have the same.
    """
    spelt = {sentence: vocabulary.words_of(sentence) for item in stimuli.items for sentence in item.sentences}
    for number, item in enumerate(stimuli.items, start=1):
        read = [" ".join(spelt[sentence]) for sentence in item.sentences]
        if not all(read):
            raise UserError(f"{stimuli.source}, item {number}: a sentence has no words; punctuation is no word here")
        if len(set(read)) < len(read):
            raise UserError(
                f"{stimuli.source}, item {number}: two sentences are the same to the model, {read[0]!r}; its "
                "vocabulary does not have what they differ in"
            )
    return spelt


def _scored(model: SentenceScorer, sentences: Sequence[Sequence[str]], within: Progress | None) -> list[float]:
    with progress(within) as bars:
        task = bars.add_task("scoring sentences", total=len(sentences))
        return model.log_probabilities(sentences, advance=lambda done: bars.advance(task, done)).tolist()


def _print_unknown(words: Sequence[str]) -> None:
    """Say which words are not in the vocabulary."""
    if words:
        more = f" and {len(words) - NAMED:,} more" if len(words) > NAMED else ""
        print_line(f"not in the vocabulary, read and predicted as <unk>: {', '.join(words[:NAMED])}{more}")


def _sentences_csv(stimuli: Stimuli, log_probability: Mapping[str, float]) -> str:
    """The log probability of each sentence as CSV, for the user's own pairs."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["item", *NAMES[2:4], "sentence", "log_probability"])
    for number, item in enumerate(stimuli.items, start=1):
        for sentence in item.sentences:
            writer.writerow([number, item.case, item.condition, sentence, repr(log_probability[sentence])])
    return text.getvalue()
