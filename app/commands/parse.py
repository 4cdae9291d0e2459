"""`python -m app parse`: parses with a language model, scores the trees against a treebank and draws them."""

import sys
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from app.commands.progress import progress
from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.vocabulary import Vocabulary
from app.parsing import BASELINES, BUILDERS, GoldSentence, Tree, baseline_trees
from app.parsing.builders import build_tree
from app.parsing.layers import MEAN, by_layer, layer_trees, ties
from app.parsing.table import ParseRow, parse_row, parse_table, score_rows, to_csv
from app.parsing.tree_files import write_trees
from app.plotting.trees import Panel, draw_trees, save_drawing
from app.runs.output_directory import check_output, claim_output

if TYPE_CHECKING:
    from app.plotting.trees import Figure

SCORES, GOLD = "scores.csv", "gold.txt"
OPTION = "--output"
DRAWN = 3  # number of sentences drawn by default
DRAWN_WORDS = range(6, 16)  # their length: long enough to be interesting, short enough for a page


class TreeModel(Protocol):
    """The interface of a model that can parse."""

    vocabulary: Vocabulary | None

    def distances(self, sentences: Sequence[Sequence[str]]) -> list[Tensor]:
        """Syntactic distances: (L, n) for each sentence of n words."""


@dataclass(frozen=True, kw_only=True)
class ParseOptions:
    """Options of the parse command.

    Args:
        output: directory for tables, tree files and pictures.
        layer: the layer to draw, from 1, the lowest; None for the one with the best score.
        builder: the builder of the trees that are drawn.
        draw: numbers of the sentences to draw, from 1; None for a few of medium length.

    Raises:
        UserError: an unknown builder.
    """

    output: Path
    layer: int | None = None
    builder: str = "shen2018"
    draw: list[int] | None = None

    def __post_init__(self) -> None:
        if self.builder not in BUILDERS:
            raise UserError(f"--builder is {self.builder!r}; expected one of {', '.join(BUILDERS)}")


def words_of(text: str, vocabulary: Vocabulary) -> list[str]:
    """The words of a sentence, in the spelling of a vocabulary.

    Args:
        text: words separated by white space.
        vocabulary: decides on upper case, numbers, contractions and punctuation, and what is a word: "mr." is in it,
            "cat." is not.

    Raises:
        UserError: fewer than two words are left, or the text is not UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError("--text is not UTF-8; use a terminal with UTF-8 encoding") from None
    words = vocabulary.words_of(text)
    if len(words) < 2:
        raise UserError(f"--text has {len(words)} word{'s' * (len(words) != 1)}; a tree needs two or more")
    return words


def parse_text(model: TreeModel, text: str, options: ParseOptions) -> None:
    """Print and draw the trees of one sentence given by the user.

    Raises:
        UserError: fewer than two words, or no such layer.
    """
    if model.vocabulary is None:
        raise UserError("this checkpoint has no vocabulary; train with one of our data modules")
    words = words_of(text, model.vocabulary)
    distances = model.distances([words])
    values = by_layer(distances[0])
    if unknown := model.vocabulary.unknown(words):
        warnings.warn(f"not in the vocabulary, read as <unk>: {', '.join(unknown)}", stacklevel=2)
    chosen = (
        [layer_name(options.layer, list(values))] if options.layer is not None else [n for n in values if n != MEAN]
    )
    panels = []
    for name in chosen:
        tree = build_tree(values[name], options.builder)
        print(f"{name}: {write_trees([(words, tree)]).strip()}")
        panels.append(Panel(title=name, words=words, tree=tree, distances=values[name]))
    print_ties(distances)
    save_tree(draw_trees(panels, options.builder), options.output / "text")


def parse_treebank(
    model: TreeModel, gold: Sequence[GoldSentence], options: ParseOptions, *, title: str
) -> tuple[list[str], list[list[Any]]]:
    """Print the columns of Table 2 for every layer and builder, and write tables, trees and pictures.

    Args:
        model: computes the distances.
        gold: the treebank's sentences.
        options: what to draw, and the output directory.
        title: the table's title.

    Returns:
        The columns and rows of scores.csv.

    Raises:
        UserError: no such layer, no such sentence to draw, or files of the user's in the output directory.
    """
    _check_numbers(options.draw or [], len(gold))
    check_output(options.output, [SCORES, GOLD], OPTION)
    _print_unknown(model, gold)
    with progress() as bars:
        baselines = [
            parse_row(name, baseline_trees(name, gold), gold) for name in bars.track(BASELINES, description="baselines")
        ]
        distances = all_distances(model, [sentence.words for sentence in gold], bars)
        layers = list(by_layer(distances[0]))
        if options.layer is not None:
            layer_name(options.layer, layers)  # report a wrong layer before the table, not after it
        trees: dict[str, dict[str, list[Tree]]] = {}
        rows: dict[tuple[str, str], ParseRow] = {}
        scoring = bars.add_task("building and scoring trees", total=len(BUILDERS) * len(layers))
        for builder in BUILDERS:
            trees[builder] = layer_trees(distances, builder)
            for layer, predicted in trees[builder].items():
                rows[builder, layer] = parse_row(f"{layer}, {builder}", predicted, gold)
                bars.advance(scoring)
    _print(parse_table(baselines, list(rows.values()), title=title))
    print_ties(distances)
    layer = _drawn_layer(options, rows)
    _write(gold, trees, to_csv([*baselines, *rows.values()]), options.output)
    for number in options.draw or _some(gold):
        sentence = gold[number - 1]
        panel = Panel(
            title=f"{layer}, {options.builder}",
            words=sentence.words,
            tree=trees[options.builder][layer][number - 1],
            distances=by_layer(distances[number - 1])[layer],
        )
        figure = draw_trees([panel], f"Sentence {number}", gold=sentence)
        save_tree(figure, options.output / f"sentence_{number}")
    return score_rows([*baselines, *rows.values()])


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


def _print_unknown(model: TreeModel, gold: Sequence[GoldSentence]) -> None:
    words = [word for sentence in gold for word in sentence.words]
    unknown = sum(word not in model.vocabulary for word in words) if model.vocabulary is not None else 0
    if unknown:
        print(f"{unknown:,} of {len(words):,} words ({unknown / len(words):.1%}) are read as <unk>")


def print_ties(distances: Sequence[Tensor]) -> None:
    """Say in how many sentences distances are equal, where trees are the builder's rather than the model's."""
    for layer, (some, all_words) in ties(distances).items():
        if some:
            whole = f", of all words in {all_words:,}" if all_words else ""
            print(
                f"{layer}: equal distances in {some:,} of {len(distances):,} sentences{whole}; builders make equal "
                "ones right-branching, whatever the model has learnt"
            )


def _print(table: object) -> None:
    # Output that goes to a file is wide enough for all columns.
    console = Console()
    Console(width=max(console.width, 100)).print(table) if not sys.stdout.isatty() else console.print(table)


def layer_name(layer: int, names: Sequence[str]) -> str:
    """The name of a layer by its number, 1 the lowest.

    Raises:
        UserError: there is no such layer.
    """
    name = f"layer {layer}"
    if name not in names:
        raise UserError(f"--layer is {layer}; this model has layers 1 to {sum(n != MEAN for n in names)}")
    return name


def _drawn_layer(options: ParseOptions, rows: dict[tuple[str, str], ParseRow]) -> str:
    candidates = {layer: row for (builder, layer), row in rows.items() if builder == options.builder}
    if options.layer is not None:
        return layer_name(options.layer, list(candidates))
    return max(candidates, key=lambda layer: candidates[layer].scores_all.sentence_f1)


def _check_numbers(numbers: Sequence[int], sentences: int) -> None:
    for number in numbers:
        if not 1 <= number <= sentences:
            raise UserError(f"--draw names sentence {number}; the treebank has sentences 1 to {sentences:,}")


def _some(gold: Sequence[GoldSentence]) -> list[int]:
    fitting = [number for number, sentence in enumerate(gold, 1) if len(sentence.words) in DRAWN_WORDS]
    return fitting[:: max(1, len(fitting) // DRAWN)][:DRAWN]


def _write(gold: Sequence[GoldSentence], trees: dict[str, dict[str, list[Tree]]], scores: str, output: Path) -> None:
    files = {SCORES: scores, GOLD: write_trees((sentence.words, sentence.tree) for sentence in gold)}
    for builder, layers in trees.items():
        for layer, predicted in layers.items():
            text = write_trees((sentence.words, tree) for sentence, tree in zip(gold, predicted, strict=True))
            files[f"{layer.replace(' ', '_')}.{builder}.txt"] = text
    claim_output(output, files, OPTION)
    for name, content in files.items():
        write_atomically(output / name, content)
    print(f"trees and scores are in {output}")


def save_tree(figure: "Figure", path: Path) -> None:
    """Write a drawing as SVG and PNG, and say so; the path has no suffix."""
    claim_output(path.parent, [f"{path.name}.svg", f"{path.name}.png"], OPTION)
    for written in save_drawing(figure, path):
        print(f"drawn: {written}")
