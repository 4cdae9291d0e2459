"""Chooses a layer and a builder on validation trees, for `parse --choose_on`."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from app.commands.scored_trees import OPTION, TreeModel, score_trees
from app.parsing import GoldSentence
from app.parsing.table import ParseRow, percent
from app.runs.output_directory import check_output

CHOSEN = "chosen.csv"
COLUMNS = ("layer", "builder", "chosen", "validation_sentences", "validation_sentence_f1", "sentences", "sentence_f1")


@dataclass(frozen=True, slots=True)
class Validation:
    """Sentences to choose on.

    Args:
        title: what they are.
        sentences: with their gold trees.
    """

    title: str
    sentences: Sequence[GoldSentence]


@dataclass(frozen=True, slots=True)
class Choice:
    """The layer and the builder whose trees of the validation sentences have the highest UF1.

    Args:
        layer: its name, as in `by_layer`.
        builder: one of `BUILDERS`.
        title: of the validation sentences.
        rows: the scores of the validation sentences, by builder and layer.
    """

    layer: str
    builder: str
    title: str
    rows: Mapping[tuple[str, str], ParseRow]

    def summary(self, test: Mapping[tuple[str, str], ParseRow]) -> str:
        """What was chosen, and its scores on both, in a line.

        Args:
            test: the scores of the sentences to test on, by builder and layer.
        """
        chosen, tested = self.rows[self.builder, self.layer], test[self.builder, self.layer]
        numbers = (chosen.scores_all, tested.scores_all)
        of_both = [f"{percent(scores.sentence_f1)} of {scores.sentences:,} sentences" for scores in numbers]
        return (
            f"chosen on {self.title}: {self.layer}, {self.builder}, with UF1 {of_both[0]}; on the sentences to test on "
            f"UF1 {of_both[1]}, corpus {percent(numbers[1].corpus_f1)}, +root {percent(numbers[1].corpus_f1_root)}"
        )

    def csv(self, test: Mapping[tuple[str, str], ParseRow]) -> str:
        """The scores of every layer and builder on both, as CSV with the columns `COLUMNS`."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for (builder, layer), row in self.rows.items():
            chosen = int((builder, layer) == (self.builder, self.layer))
            scores = (row.scores_all, test[builder, layer].scores_all)
            numbers = [number for each in scores for number in (each.sentences, each.sentence_f1)]
            writer.writerow([layer, builder, chosen, *numbers])
        return text.getvalue()


def choose(model: TreeModel, validation: Validation, *, within: Progress | None = None) -> Choice:
    """Parse validation sentences with every layer and builder, and choose the best by UF1; the first of equal ones.

    Args:
        model: computes the distances.
        validation: the sentences.
        within: bars that are shown already.
    """
    rows = score_trees(model, validation.sentences, [], within=within).rows
    builder, layer = max(rows, key=lambda key: rows[key].scores_all.sentence_f1)
    return Choice(layer, builder, validation.title, rows)


def remove_choice(folder: Path) -> None:
    """Remove what an earlier command has chosen, where its scores are replaced.

    Raises:
        UserError: it is a file of the user's.
    """
    if (folder / CHOSEN).exists():
        check_output(folder, [CHOSEN], OPTION)
        (folder / CHOSEN).unlink()
