"""`python -m app parse --input`: trees and distances of any sentences, without gold trees."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from app.commands.parse import ParseOptions, print_ties, save_tree
from app.commands.progress import progress
from app.commands.scored_trees import TreeModel, all_distances, layer_name
from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.lines import print_line
from app.common.vocabulary import UNK, Vocabulary, vocabulary_of
from app.parsing import BUILDERS
from app.parsing.layers import MEAN, by_layer, layer_trees
from app.parsing.tree_files import write_trees
from app.plotting.trees import Panel, draw_trees
from app.runs.output_directory import check_output, claim_output
from app.syntax.raw_text import read_raw_text
from app.syntax.texts import Sentence, read_sentences

DISTANCES = "distances.csv"
COLUMNS = ("sentence", "line", "position", "word", "unknown", "layer", "distance")
OPTION = "--output"


def parse_input(model: TreeModel, path: Path, options: ParseOptions, *, raw: bool = False) -> None:
    """Write the trees of every layer and builder, the distances, and pictures of the sentences that are asked for.

    Args:
        model: computes the distances.
        path: a text file, a sentence a line.
        options: `draw` names lines of the file.
        raw: the file is running text, whose sentences have to be found; `draw` then names sentences.

    Raises:
        UserError: the model has no vocabulary, the text cannot be read, there is no such layer or line to draw, or
            files of the user's are in the output directory.
    """
    vocabulary = vocabulary_of(model)
    sentences = (read_raw_text if raw else read_sentences)(path, vocabulary)
    numbers = _numbers(options.draw or [], sentences, path, raw=raw)
    check_output(options.output, [DISTANCES], OPTION)
    with progress() as bars:
        distances = all_distances(model, [sentence.words for sentence in sentences], bars)
    layers = list(by_layer(distances[0]))
    if options.layer is not None:
        layer_name(options.layer, layers)
    trees = {builder: layer_trees(distances, builder) for builder in BUILDERS}
    files = {DISTANCES: _csv(sentences, distances, vocabulary)}
    for builder, of_layers in trees.items():
        for layer, predicted in of_layers.items():
            lines = ((sentence.words, tree) for sentence, tree in zip(sentences, predicted, strict=True))
            files[f"{layer.replace(' ', '_')}.{builder}.txt"] = write_trees(lines)
    claim_output(options.output, files, OPTION)
    for name, content in files.items():
        write_atomically(options.output / name, content)
    words = [word for sentence in sentences for word in sentence.words]
    unknown = sum(word not in vocabulary for word in words)
    share = f", {unknown:,} ({unknown / len(words):.1%}) of them read as {UNK}" if unknown else ""
    print_line(f"{len(sentences):,} sentences, {len(words):,} words{share}")
    print_ties(distances)
    print_line(f"trees of {len(layers)} layers by {len(BUILDERS)} builders, and distances, are in {options.output}")
    shown = [layer_name(options.layer, layers)] if options.layer is not None else [n for n in layers if n != MEAN]
    for number in numbers:
        panels = [
            Panel(
                title=layer,
                words=sentences[number].words,
                tree=trees[options.builder][layer][number],
                distances=by_layer(distances[number])[layer],
            )
            for layer in shown
        ]
        name, place = ("sentence", number + 1) if raw else ("line", sentences[number].line)
        title = f"{name.capitalize()} {place}, {options.builder}"
        save_tree(draw_trees(panels, title), options.output / f"{name}_{place}")


def _numbers(places: Sequence[int], sentences: Sequence[Sentence], path: Path, *, raw: bool) -> list[int]:
    """The indices of the sentences on some lines; of sentences by their numbers from 1 where the text is raw."""
    name = "sentence" if raw else "line"
    found = {number + 1 if raw else sentence.line: number for number, sentence in enumerate(sentences)}
    for place in places:
        if place not in found:
            raise UserError(
                f"--draw names {name} {place}; {path} has no {'such sentence' if raw else 'sentence there'}"
            )
        if len(sentences[found[place]].words) < 2:
            raise UserError(f"--draw names {name} {place}, which has one word; a tree needs two or more")
    return [found[place] for place in places]


def _csv(sentences: Sequence[Sentence], distances: Sequence[Tensor], vocabulary: Vocabulary) -> str:
    """One line for each word and layer: columns `COLUMNS`; the layer is its number or "mean"."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, (sentence, of_layers) in enumerate(zip(sentences, distances, strict=True), 1):
        writer.writerows(_rows(number, sentence, of_layers, vocabulary))
    return text.getvalue()


def _rows(number: int, sentence: Sentence, distances: Tensor, vocabulary: Vocabulary) -> Iterator[tuple[object, ...]]:
    layers = {("mean" if name == MEAN else name.split()[-1]): values for name, values in by_layer(distances).items()}
    for place, word in enumerate(sentence.words):
        unknown = int(word not in vocabulary)
        for layer, values in layers.items():
            yield number, sentence.line, place + 1, word, unknown, layer, f"{float(values[place]):.6f}"
