"""`python -m app parse`: parses with a language model, scores the trees against a treebank and draws them."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from app.commands.choose import CHOSEN, Choice, remove_choice
from app.commands.scored_trees import (
    GOLD,
    OPTION,
    SCORES,
    TreeModel,
    baseline_rows,
    layer_name,
    score_trees,
    write_parses,
)
from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.lines import print_line
from app.common.tables import print_table
from app.common.vocabulary import Vocabulary
from app.parsing import BUILDERS, GoldSentence
from app.parsing.builders import build_tree
from app.parsing.layers import MEAN, by_layer, ties
from app.parsing.sentence_tables import CONSTITUENTS, SOURCE, WORDS
from app.parsing.table import ParseRow, parse_table, score_rows
from app.parsing.tree_files import write_trees
from app.plotting.trees import KINDS, Panel, draw_trees, save_drawing
from app.runs.output_directory import check_output, claim_output

if TYPE_CHECKING:
    from app.plotting.trees import Figure

TEXT = "text"  # picture of a sentence of the user's
SCORE_TABLE, TREE_TABLE = "parse", "trees"  # for loggers
TREE_COLUMNS = ["sentence", "layer", "builder", "tree", "gold", "picture"]
DRAWN = 3  # number of sentences drawn by default
DRAWN_WORDS = range(6, 16)  # their length: long enough to be interesting, short enough for a page


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
    check_output(options.output, [f"{TEXT}.{kind}" for kind in KINDS], OPTION)
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
    save_tree(draw_trees(panels, options.builder), options.output / TEXT)


def parse_treebank(
    model: TreeModel,
    gold: Sequence[GoldSentence],
    options: ParseOptions,
    *,
    title: str,
    source: str,
    choice: Choice | None = None,
) -> dict[str, tuple[list[str], list[list[Any]]]]:
    """Print the columns of Table 2 for every layer and builder, and write tables, trees and pictures.

    Args:
        model: computes the distances.
        gold: the treebank's sentences.
        options: what to draw, and the output directory.
        title: the table's title.
        source: whose sentences these are, in one line.
        choice: of a layer and a builder on other sentences; it is scored, and drawn unless `options` name a layer.

    Returns:
        Columns and rows of two tables by name: of scores.csv, and of the trees that were drawn, with their pictures.

    Raises:
        UserError: no such layer, no such sentence to draw, or files of the user's in the output directory.
    """
    check_numbers(options.draw or [], len(gold))
    chosen_file = [CHOSEN] if choice is not None else []
    check_output(options.output, [SCORES, GOLD, WORDS, CONSTITUENTS, SOURCE, *chosen_file], OPTION)
    _print_unknown(model, gold)
    parsed = score_trees(model, gold, baseline_rows(gold), layer=options.layer)
    print_table(parse_table(parsed.baselines, list(parsed.rows.values()), title=title))
    print_ties(parsed.distances)
    if choice is not None and options.layer is None:
        layer, builder = choice.layer, choice.builder
    else:
        layer, builder = drawn_layer(options, parsed.rows), options.builder
    write_parses(gold, parsed, options.output, source=source)
    if choice is not None:
        print(choice.summary(parsed.rows))
        claim_output(options.output, chosen_file, OPTION)
        write_atomically(options.output / CHOSEN, choice.csv(parsed.rows))
    else:
        remove_choice(options.output)
    print(f"trees and scores are in {options.output}")
    drawn: list[list[Any]] = []
    for number in options.draw or some_sentences(gold):
        sentence = gold[number - 1]
        panel = Panel(
            title=f"{layer}, {builder}",
            words=sentence.words,
            tree=parsed.trees[builder][layer][number - 1],
            distances=by_layer(parsed.distances[number - 1])[layer],
        )
        figure = draw_trees([panel], f"Sentence {number}", gold=sentence)
        picture = save_tree(figure, options.output / f"sentence_{number}")
        both = (write_trees([(sentence.words, tree)]).strip() for tree in (panel.tree, sentence.tree))
        drawn.append([number, layer, builder, *both, picture])
    return {SCORE_TABLE: score_rows([*parsed.baselines, *parsed.rows.values()]), TREE_TABLE: (TREE_COLUMNS, drawn)}


def _print_unknown(model: TreeModel, gold: Sequence[GoldSentence]) -> None:
    words = [word for sentence in gold for word in sentence.words]
    unknown = sum(word not in model.vocabulary for word in words) if model.vocabulary is not None else 0
    if unknown:
        print_line(f"{unknown:,} of {len(words):,} words ({unknown / len(words):.1%}) are read as <unk>")


def print_ties(distances: Sequence[Tensor]) -> None:
    """Say in how many sentences distances are equal, where trees are the builder's rather than the model's."""
    for layer, (some, all_words) in ties(distances).items():
        if some:
            whole = f", of all words in {all_words:,}" if all_words else ""
            print_line(
                f"{layer}: equal distances in {some:,} of {len(distances):,} sentences{whole}; builders make equal "
                "ones right-branching, whatever the model has learnt"
            )


def drawn_layer(options: ParseOptions, rows: dict[tuple[str, str], ParseRow]) -> str:
    """The layer that is drawn: the one that is asked for, or else that with the best score.

    Raises:
        UserError: no such layer.
    """
    candidates = {layer: row for (builder, layer), row in rows.items() if builder == options.builder}
    if options.layer is not None:
        return layer_name(options.layer, list(candidates))
    return max(candidates, key=lambda layer: candidates[layer].scores_all.sentence_f1)


def check_numbers(numbers: Sequence[int], sentences: int) -> None:
    """Check that sentences are among those of the treebank.

    Raises:
        UserError: one is not.
    """
    for number in numbers:
        if not 1 <= number <= sentences:
            raise UserError(f"--draw names sentence {number}; the treebank has sentences 1 to {sentences:,}")


def some_sentences(gold: Sequence[GoldSentence]) -> list[int]:
    """Numbers of a few sentences of medium length, from 1."""
    fitting = [number for number, sentence in enumerate(gold, 1) if len(sentence.words) in DRAWN_WORDS]
    return fitting[:: max(1, len(fitting) // DRAWN)][:DRAWN]


def save_tree(figure: "Figure", path: Path) -> Path:
    """Write a drawing as SVG, PNG and PDF, and say so; returns the PNG's path. The path given has no suffix."""
    claim_output(path.parent, [f"{path.name}.{kind}" for kind in KINDS], OPTION)
    first, *others = save_drawing(figure, path)
    print_line(f"drawn: {', '.join([str(first), *(each.suffix for each in others)])}")
    return path.with_name(f"{path.name}.png")
