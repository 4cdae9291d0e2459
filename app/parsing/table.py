"""Scores as a table like Table 2 of the paper: the baselines, and below them the model's layers."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from app.parsing.scores import SHORT, Scores, score
from app.parsing.trees import GoldSentence, Tree

LABELS = ("ADJP", "NP", "PP", "INTJ", "VP")
MEASURES = ("sentence_f1", "sentence_f1_kim", "corpus_f1", "corpus_f1_root", "depth")


@dataclass(frozen=True, slots=True)
class ParseRow:
    """The scores of one set of trees.

    Args:
        name: the baseline, or the layer and the builder.
        scores_all: over all sentences.
        scores_short: over sentences of at most `SHORT` words.
    """

    name: str
    scores_all: Scores
    scores_short: Scores


def parse_row(name: str, predicted: Sequence[Tree], gold: Sequence[GoldSentence]) -> ParseRow:
    """Score trees over all sentences and over the short ones.

    Raises:
        UserError: as `score` does.
    """
    return ParseRow(name, score(predicted, gold), score(predicted, gold, max_words=SHORT))


def parse_table(baselines: Sequence[ParseRow], layers: Sequence[ParseRow], *, title: str | None = None) -> Table:
    """The table for the terminal: percentages, and depth in brackets per word; 80 characters wide with names up to 21.

    UF1 is the F1 of the authors' script; all columns but the first are over all sentences. There is a column of recall
    for each of `LABELS` that occurs.
    """
    rows = [*baselines, *layers]
    labels = [label for label in LABELS if any(label in row.scores_all.recall for row in rows)]
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False, padding=0)
    table.add_column("")
    for heading in (f"UF1\n≤{SHORT}", "UF1\nall", "Kim", "corpus", "+root", "depth", *labels):
        table.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    for group in (baselines, layers):
        for row in group:
            table.add_row(row.name, *_cells(row, labels))
        table.add_section()
    return table


def _cells(row: ParseRow, labels: Iterable[str]) -> list[str]:
    everything = row.scores_all
    fractions = [row.scores_short.sentence_f1, *(getattr(everything, measure) for measure in MEASURES[:-1])]
    recalls = [everything.recall.get(label, math.nan) for label in labels]
    return [*map(percent, fractions), number(everything.depth), *map(percent, recalls)]


def percent(fraction: float) -> str:
    """A fraction as a percentage with one decimal; 100 without decimals."""
    return number(100 * fraction).replace("100.0", "100")


def number(value: float) -> str:
    """A number with one decimal; a dash for nan."""
    return "\N{EN DASH}" if math.isnan(value) else f"{value:.1f}"


def score_rows(rows: Iterable[ParseRow]) -> tuple[list[str], list[list[Any]]]:
    """All scores in full precision, as fractions of 1; each row gives two, for all and for short sentences.

    Returns:
        Columns: name, max_words (empty for all sentences), sentences, `MEASURES`, and the recall of every label that
        occurs; and the rows, with None where there is nothing to average.
    """
    lines = [
        (row.name, limit, scores) for row in rows for limit, scores in (("", row.scores_all), (SHORT, row.scores_short))
    ]
    labels = sorted({label for _, _, scores in lines for label in scores.recall})
    found = []
    for name, limit, scores in lines:
        values = [*(getattr(scores, measure) for measure in MEASURES), *(scores.recall.get(label) for label in labels)]
        found.append([name, limit, scores.sentences, *(None if v is None or math.isnan(v) else v for v in values)])
    return ["name", "max_words", "sentences", *MEASURES, *(f"recall_{label}" for label in labels)], found


def to_csv(rows: Iterable[ParseRow]) -> str:
    """The scores of `score_rows` as CSV; a cell is empty where there is nothing to average."""
    columns, values = score_rows(rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for name, limit, sentences, *numbers in values:
        writer.writerow([name, limit, sentences, *("" if number is None else repr(number) for number in numbers)])
    return text.getvalue()
