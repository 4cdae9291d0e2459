"""`python -m app syntax`: which of two sentences a language model finds more probable."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.vocabulary import EOS, Vocabulary
from app.plotting.bars import bars
from app.plotting.canvas import render
from app.syntax.judgements import Row, judge, pool
from app.syntax.pairs import read_pairs
from app.syntax.scores import NAMES, to_csv
from app.syntax.stimuli import Stimuli
from app.syntax.table import TERMS, matched, syntax_table
from app.syntax.templates import MARVIN_LINZEN, read_templates

if TYPE_CHECKING:  # comparing written scores needs no torch
    from torch import Tensor

SCORES = "scores.csv"
SENTENCES = "sentences.csv"
FULL_STOP = "."
CHANCE = 0.5
NAMED = 10  # unknown words that are named
WIDTH = 160  # letters that tables may need
TABLE = "syntax"
TABLE_COLUMNS = ["row", "term", "items", "accuracy", "accuracy_known", "unknown"]


class Judge(Protocol):
    """What is asked of a model."""

    vocabulary: Vocabulary | None

    def log_probabilities(
        self, sentences: Sequence[Sequence[str]], *, advance: Callable[[int], None] | None = None
    ) -> "Tensor":
        """For each sentence the logarithm of its probability."""


@dataclass(frozen=True, kw_only=True)
class SyntaxOptions:
    """What is asked and where everything goes.

    Args:
        output: directory of tables and pictures.
        name: of the model, in tables and pictures.
        pairs: file of pairs of one's own.
        templates: file of templates of one's own.

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
        """The sentences to judge: one's own, or those in the words of the data, or else Marvin and Linzen's.

        Args:
            data: asked for its own `templates`.

        Raises:
            UserError: a file of one's own is wrong, or the data has nobody who knows its words.
        """
        if self.pairs is not None:
            return read_pairs(self.pairs)
        if self.templates is not None:
            return read_templates(self.templates)
        return read_templates(getattr(data, "templates", MARVIN_LINZEN))


def judge_syntax(model: Judge, stimuli: Stimuli, options: SyntaxOptions) -> list[list[Any]]:
    """Print, write and draw how often the better sentence is the more probable one.

    Returns:
        The rows of the table, with the columns `TABLE_COLUMNS`.

    Raises:
        UserError: the model does not know its words.
    """
    if model.vocabulary is None:
        raise UserError("this checkpoint does not say which words it knows; train with one of our data modules")
    texts = list(dict.fromkeys(sentence for item in stimuli.items for sentence in item.sentences))
    end = sentence_end(model.vocabulary)
    sentences = [ended(text.split(), end) for text in texts]
    unknown = _unknown(texts, sentences, model.vocabulary)
    log_probability = dict(zip(texts, _scored(model, sentences), strict=True))
    judgements = judge(stimuli, log_probability, unknown)
    rows = pool(judgements)
    print_table(syntax_table(rows, title=f"{options.name}, {len(stimuli.items):,} items of {stimuli.source}"))
    print(f"log p of each sentence alone, after {EOS} and up to {'its full stop' if end == FULL_STOP else end}")
    write_atomically(options.output / SCORES, to_csv(options.name, judgements))
    if options.pairs is not None:
        write_atomically(options.output / SENTENCES, _sentences_csv(stimuli, log_probability))
    print(f"scores are in {options.output}")
    draw({options.name: rows}, options.output / "accuracy")
    return [
        [row.name, row.term, row.tally.items, row.tally.accuracy, row.tally.accuracy_known, row.tally.unknown]
        for row in rows
    ]


def sentence_end(vocabulary: Vocabulary) -> str:
    """What is predicted after the last word.

    The authors put a full stop behind every sentence and count it, but not the `<eos>` after it. Texts without full
    stops, such as the Penn Treebank's and our grammar's, end their sentences by `<eos>`, which counts there instead.
    """
    return FULL_STOP if FULL_STOP in vocabulary else EOS


def ended(words: list[str], end: str) -> list[str]:
    """A sentence with its end, which it may have already."""
    return words if words[-1] == end else [*words, end]


def print_table(table: Table) -> None:
    """On standard output, wide enough to lose no column where that goes to a file."""
    console = Console(highlight=False)
    (console if console.is_terminal else Console(width=max(console.width, WIDTH), highlight=False)).print(table)


def draw(models: Mapping[str, Sequence[Row]], path: Path) -> None:
    """Bars of all rows, as SVG and as PNG.

    Args:
        models: by name, the rows of each.
        path: of the pictures, without their ending.
    """
    groups = {
        TERMS[term]: {rows[0].name: [row.tally.accuracy for row in rows] for rows in group}
        for term, group in groupby(matched(models), key=lambda rows: rows[0].term)
    }
    figure = bars(groups, list(models), axis="accuracy", reference=CHANCE)
    for kind in ("svg", "png"):
        write_atomically(path.with_suffix(f".{kind}"), render(figure, kind))
        print(f"drawn: {path.with_suffix(f'.{kind}')}")


def _scored(model: Judge, sentences: Sequence[Sequence[str]]) -> list[float]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("scoring sentences", total=len(sentences))
        return model.log_probabilities(sentences, advance=lambda done: progress.advance(task, done)).tolist()


def _unknown(texts: Sequence[str], sentences: Sequence[Sequence[str]], vocabulary: Vocabulary) -> set[str]:
    """The sentences that hold an unknown word; says which words those are."""
    words = vocabulary.unknown(dict.fromkeys(word for sentence in sentences for word in sentence))
    if words:
        more = f" and {len(words) - NAMED:,} more" if len(words) > NAMED else ""
        print(f"not in the vocabulary, read and predicted as <unk>: {', '.join(words[:NAMED])}{more}")
    unknown = set(words)
    return {text for text, sentence in zip(texts, sentences, strict=True) if not unknown.isdisjoint(sentence)}


def _sentences_csv(stimuli: Stimuli, log_probability: Mapping[str, float]) -> str:
    """One line per sentence, for pairs of one's own."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["item", *NAMES[2:4], "sentence", "log_probability"])
    for number, item in enumerate(stimuli.items, start=1):
        for sentence in item.sentences:
            writer.writerow([number, item.case, item.condition, sentence, repr(log_probability[sentence])])
    return text.getvalue()
