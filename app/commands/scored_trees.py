"""Parses a treebank with every layer and builder of a language model, scores the trees and writes them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.progress import Progress
from torch import Tensor

from app.commands.progress import progress
from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.vocabulary import Vocabulary
from app.parsing import BASELINES, BUILDERS, GoldSentence, Tree, baseline_trees
from app.parsing.layers import MEAN, by_layer, layer_trees
from app.parsing.sentence_tables import CONSTITUENTS, SOURCE, WORDS, constituents_csv, source_json, words_csv
from app.parsing.table import ParseRow, parse_row, to_csv
from app.parsing.tree_files import write_trees
from app.runs.output_directory import claim_output

SCORES, GOLD = "scores.csv", "gold.txt"
OPTION = "--output"


class TreeModel(Protocol):
    """The interface of a model that can parse."""

    vocabulary: Vocabulary | None

    def distances(self, sentences: Sequence[Sequence[str]]) -> list[Tensor]:
        """Syntactic distances: (L, n) for each sentence of n words."""


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """The trees of a treebank's sentences and their scores.

    Args:
        distances: (L, n) for each sentence of n words.
        trees: by builder and layer.
        rows: by builder and layer.
        baselines: of the same sentences.
        unknown: of every word of each sentence whether the model's vocabulary lacks it.
    """

    distances: Sequence[Tensor]
    trees: dict[str, dict[str, list[Tree]]]
    rows: dict[tuple[str, str], ParseRow]
    baselines: Sequence[ParseRow]
    unknown: Sequence[Sequence[bool]]


def baseline_rows(gold: Sequence[GoldSentence]) -> list[ParseRow]:
    """The scores of trees that need no model."""
    with progress() as bars:
        return [
            parse_row(name, baseline_trees(name, gold), gold) for name in bars.track(BASELINES, description="baselines")
        ]


def score_trees(
    model: TreeModel,
    gold: Sequence[GoldSentence],
    baselines: Sequence[ParseRow],
    *,
    layer: int | None = None,
    within: Progress | None = None,
) -> Parsed:
    """Parse a treebank with every layer and builder, and score the trees.

    Args:
        model: computes the distances.
        gold: the treebank's sentences.
        baselines: of `baseline_rows`.
        layer: one that there must be, from 1.
        within: bars that are shown already.

    Raises:
        UserError: no such layer.
    """
    with progress(within) as bars:
        distances = all_distances(model, [sentence.words for sentence in gold], bars)
        layers = list(by_layer(distances[0]))
        if layer is not None:
            layer_name(layer, layers)  # report a wrong layer before the table, not after it
        trees: dict[str, dict[str, list[Tree]]] = {}
        rows: dict[tuple[str, str], ParseRow] = {}
        scoring = bars.add_task("building and scoring trees", total=len(BUILDERS) * len(layers))
        for builder in BUILDERS:
            trees[builder] = layer_trees(distances, builder)
            for name, predicted in trees[builder].items():
                rows[builder, name] = parse_row(f"{name}, {builder}", predicted, gold)
                bars.advance(scoring)
    known = model.vocabulary
    unknown = [[known is not None and word not in known for word in sentence.words] for sentence in gold]
    return Parsed(distances=distances, trees=trees, rows=rows, baselines=baselines, unknown=unknown)


def all_distances(model: TreeModel, sentences: Sequence[Sequence[str]], bars: Progress) -> list[Tensor]:
    """The distances of all sentences, computed one length at a time so that the bar can advance.

    A model batches sentences of equal length, so the batches are the same as for all sentences at once.
    """
    by_length = defaultdict(list)
    for number, words in enumerate(sentences):
        by_length[len(words)].append(number)
    found: dict[int, Tensor] = {}
    task = bars.add_task("parsing sentences", total=len(sentences))
    for numbers in by_length.values():
        found |= zip(numbers, model.distances([sentences[number] for number in numbers]), strict=True)
        bars.advance(task, len(numbers))
    return [found[number] for number in range(len(sentences))]


def write_parses(gold: Sequence[GoldSentence], parsed: Parsed, output: Path, *, source: str = "") -> None:
    """Write scores.csv, the gold trees with tables of words and constituents, and a file for each layer and builder.

    Args:
        gold: the treebank's sentences.
        parsed: their trees.
        output: the directory.
        source: whose sentences these are, in one line; empty to leave it out.

    Raises:
        UserError: files of the user's are in the output directory.
    """
    files = {
        SCORES: to_csv([*parsed.baselines, *parsed.rows.values()]),
        GOLD: write_trees((sentence.words, sentence.tree) for sentence in gold),
        WORDS: words_csv(gold, parsed.unknown, [by_layer(each) for each in parsed.distances]),
        CONSTITUENTS: constituents_csv(gold),
        **({SOURCE: source_json(source)} if source else {}),
    }
    for builder, layers in parsed.trees.items():
        for layer, predicted in layers.items():
            text = write_trees((sentence.words, tree) for sentence, tree in zip(gold, predicted, strict=True))
            files[trees_file(layer, builder)] = text
    claim_output(output, files, OPTION)
    for name, content in files.items():
        write_atomically(output / name, content)


def trees_file(layer: str, builder: str) -> str:
    """The name of the file with the trees of a layer."""
    return f"{layer.replace(' ', '_')}.{builder}.txt"


def layer_name(layer: int, names: Sequence[str]) -> str:
    """The name of a layer by its number, 1 the lowest.

    Raises:
        UserError: there is no such layer.
    """
    name = f"layer {layer}"
    if name not in names:
        raise UserError(f"--layer is {layer}; this model has layers 1 to {sum(n != MEAN for n in names)}")
    return name
