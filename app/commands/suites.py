"""`python -m app syntax --suites`: how often the predictions of SyntaxGym's suites hold of a language model."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from app.commands.progress import progress
from app.commands.surprisal import Reader
from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.tables import print_table
from app.common.vocabulary import EOS, Vocabulary, vocabulary_of
from app.runs.output_directory import check_output, claim_output
from app.syntax.condition_scores import wilson
from app.syntax.formulas import ALL
from app.syntax.suites import Suite, read_suites

SUITES, ITEMS = "suites.csv", "suite_items.csv"
OPTION = "--output"


@dataclass(frozen=True, slots=True)
class PredictionScore:
    """How often a prediction holds.

    Args:
        suite: its suite's name.
        prediction: its number in the suite, from 0, as SyntaxGym counts.
        formula: its text.
        holds: of each item.
        words: words of the items' sentences.
        unknown: words of them that are not in the model's vocabulary.
    """

    suite: str
    prediction: int
    formula: str
    holds: tuple[bool, ...]
    words: int
    unknown: int


def score_suites(model: Reader, path: Path, output: Path, name: str) -> None:
    """Print and write how often each prediction holds.

    A region's surprisal is the sum (or mean) over its words, in bits; each sentence is read by itself after `<eos>`.

    Args:
        model: what reads.
        path: a suite, or a folder of suites.
        output: directory of the tables.
        name: the model's, for the table.

    Raises:
        UserError: the model has no vocabulary, there are no suites, a sentence has no words to the model, or there are
            files of the user's.
    """
    vocabulary = vocabulary_of(model)
    suites = read_suites(path)
    check_output(output, [SUITES, ITEMS], OPTION)
    scores: list[PredictionScore] = []
    with progress() as bars:
        task = bars.add_task("scoring suites", total=len(suites))
        for suite in suites:
            scores += _score(model, suite, vocabulary)
            bars.advance(task)
    print_table(_table(scores, name))
    print(f"surprisal of each sentence alone, after {EOS}")
    claim_output(output, [SUITES, ITEMS], OPTION)
    write_atomically(output / SUITES, _suites_csv(scores))
    write_atomically(output / ITEMS, _items_csv(scores))
    print(f"scores are in {output}")


def _score(model: Reader, suite: Suite, vocabulary: Vocabulary) -> list[PredictionScore]:
    spelt = [
        {
            condition: {number: vocabulary.words_of(text) for number, text in regions.items()}
            for condition, regions in item.items()
        }
        for item in suite.items
    ]
    sentences = [[word for words in regions.values() for word in words] for item in spelt for regions in item.values()]
    if [] in sentences:
        raise UserError(f"{suite.name}: a sentence has no words that the model can read")
    readings = iter(model.readings(sentences))
    values: list[dict[tuple[str, int], float]] = []
    for item in spelt:
        of_item: dict[tuple[str, int], float] = {}
        for condition, regions in item.items():
            surprisal, begin = next(readings).surprisal.tolist(), 0
            of_item[condition, ALL] = _value(surprisal, suite.metric)
            for number, words in regions.items():
                of_item[condition, number] = _value(surprisal[begin : begin + len(words)], suite.metric)
                begin += len(words)
        values.append(of_item)
    words = [word for sentence in sentences for word in sentence]
    unknown = set(vocabulary.unknown(words))
    counts = len(words), sum(word in unknown for word in words)
    return [
        PredictionScore(suite.name, number, formula.text, tuple(map(formula.holds, values)), *counts)
        for number, formula in enumerate(suite.predictions)
    ]


def _value(surprisal: Sequence[float], metric: str) -> float:
    """Sum or mean of the surprisal of a region's words; 0 of none."""
    return sum(surprisal) / (len(surprisal) or 1) if metric == "mean" else sum(surprisal)


def _table(scores: Sequence[PredictionScore], name: str) -> Table:
    table = Table(title=name, title_justify="left", box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("suite, prediction")
    for heading in ("accuracy", "95 % interval", "items", "unknown words"):
        table.add_column(heading, justify="right", no_wrap=True)
    for score in scores:
        right, items = sum(score.holds), len(score.holds)
        low, high = wilson(right, items)
        cells = f"{right / items:.2f}", f"{low:.2f}-{high:.2f}", f"{items:,}", f"{score.unknown / score.words:.0%}"
        table.add_row(f"{score.suite}, {score.prediction}", *cells)
    return table


def _suites_csv(scores: Sequence[PredictionScore]) -> str:
    rows: list[Sequence[object]] = [
        ("suite", "prediction", "formula", "items", "right", "accuracy", "low", "high", "words", "unknown")
    ]
    for score in scores:
        right, items = sum(score.holds), len(score.holds)
        counts = items, right, right / items, *wilson(right, items), score.words, score.unknown
        rows.append((score.suite, score.prediction, score.formula, *counts))
    return _csv(rows)


def _items_csv(scores: Sequence[PredictionScore]) -> str:
    rows: list[Sequence[object]] = [("suite", "prediction", "item", "right")]
    for score in scores:
        rows += [(score.suite, score.prediction, item, int(holds)) for item, holds in enumerate(score.holds, 1)]
    return _csv(rows)


def _csv(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
