"""All trees that `parse` wrote beside trainings, for the browser of the page: sentences, trees, how they compare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

from app.common.errors import UserError
from app.parsing.builders import BUILDERS
from app.parsing.scores import sentence_f1
from app.parsing.sentence_tables import CONSTITUENTS, SOURCE, WORDS, read_constituents, read_source, read_words
from app.parsing.tree_files import read_trees
from app.parsing.trees import GoldSentence, Tree, tokens
from app.report.fit_run import FitRun

GOLD = "gold.txt"
MEAN = "mean of layers"  # trees that are no layer's own
MOST = 100_000  # trees of a page in all; a page of more would take seconds to load


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSet:
    """The trees of one layer of one training, by one builder.

    Args:
        experiment: whose.
        training: the same, with the seed.
        layer: such as "layer 1".
        builder: of the trees.
        trees: one per sentence.
        distances: of each sentence one number per word; empty where they were not written.
    """

    experiment: str
    training: str
    layer: str
    builder: str
    trees: Sequence[Tree]
    distances: Sequence[Sequence[float]] = ()


@dataclass(slots=True, kw_only=True)
class Treebank:
    """Sentences with their gold trees, and all trees over them.

    Args:
        sentences: words, gold tree and, where they were written, labelled constituents.
        unknown: of each sentence the places of words that some model does not know.
        source: whose sentences these are, in one line; empty where that was not written.
        sets: the trees.
        left_out: how many sentences at the end are left out, so that the page loads fast.
    """

    sentences: Sequence[GoldSentence]
    unknown: list[frozenset[int]]
    source: str = ""
    sets: list[TreeSet] = field(default_factory=list)
    left_out: int = 0


def read_treebanks(fits: Sequence[FitRun]) -> list[Treebank]:
    """The trees of all trainings that were parsed; those over the same sentences belong to one treebank.

    Raises:
        UserError: a file is not what `parse` wrote.
    """
    found: dict[tuple[tuple[str, ...], ...], Treebank] = {}
    for fit in fits:
        for training in fit.trainings:
            folder = training.layout.root / "parse"
            if not (folder / GOLD).exists():
                continue
            gold = read_trees(folder / GOLD)
            words = [sentence.words for sentence in gold]
            labels, lengths = folder / CONSTITUENTS, list(map(len, words))
            if labels.exists():
                named = read_constituents(labels, lengths)
                gold = [GoldSentence(each.words, each.tree, tuple(of)) for each, of in zip(gold, named, strict=True)]
            bank = found.setdefault(tuple(words), Treebank(sentences=gold, unknown=[frozenset()] * len(gold)))
            if (folder / SOURCE).exists():
                bank.source = read_source(folder / SOURCE)
            if not any(each.constituents for each in bank.sentences):
                bank.sentences = gold
            distances: Mapping[str, Sequence[Sequence[float]]] = {}
            if (folder / WORDS).exists():
                table = read_words(folder / WORDS, words)
                distances = table.distances
                bank.unknown = [one | other for one, other in zip(bank.unknown, table.unknown, strict=True)]
            bank.sets += _sets(folder, fit.name, f"{fit.name}{fit.which(training)}", lengths, distances)
    return [_limited(bank) for bank in found.values() if bank.sets]


def plain(banks: Sequence[Treebank]) -> list[dict[str, Any]]:
    """What the page's browser is given, as plain values.

    Trees are brackets over dots: "((..)(..))". F1 is that of a sentence as in UF1, a share of 1. Disagreement is 1 less
    the mean F1 of all pairs of trees: of the layers of one training, averaged over trainings; and of the seeds of one
    experiment, averaged over its layers; None where there is no pair.
    """
    return [_plain(bank) for bank in banks]


def _plain(bank: Treebank) -> dict[str, Any]:
    builder = bank.sets[0].builder
    chosen = [each for each in bank.sets if each.builder == builder]
    layers: dict[str, list[TreeSet]] = {}
    seeds: dict[tuple[str, str], list[TreeSet]] = {}
    for each in chosen:
        if each.layer != MEAN:
            layers.setdefault(each.training, []).append(each)
        seeds.setdefault((each.experiment, each.layer), []).append(each)
    # Builders make their trees of the same distances.
    distances = {(each.training, each.layer): each.distances for each in bank.sets if each.distances}
    rows = list(distances)
    several = len({each.experiment for each in bank.sets}) > 1
    return {
        "words": [list(each.words) for each in bank.sentences],
        "unknown": [sorted(each) for each in bank.unknown],
        "gold": [_brackets(each.tree) for each in bank.sentences],
        "labels": [[list(of) for of in each.constituents] for each in bank.sentences],
        "left_out": bank.left_out,
        "between_layers": _disagreement(list(layers.values()), len(bank.sentences)),
        "between_seeds": _disagreement(list(seeds.values()), len(bank.sentences)),
        "distances": [
            [[float(f"{value:.3g}") for value in values] for values in sentences] for sentences in distances.values()
        ],
        "sets": [
            {
                "training": each.training if several else each.training.removeprefix(f"{each.experiment}, "),
                "layer": each.layer,
                "builder": each.builder,
                "trees": [_brackets(tree) for tree in each.trees],
                "f1": [
                    round(sentence_f1(tree, sentence.tree), 4)
                    for tree, sentence in zip(each.trees, bank.sentences, strict=True)
                ],
                "distances": rows.index((each.training, each.layer)) if each.distances else None,
            }
            for each in bank.sets
        ],
    }


def _disagreement(groups: Sequence[Sequence[TreeSet]], count: int) -> list[float] | None:
    pairs = [pair for group in groups for pair in combinations(group, 2)]
    if not pairs:
        return None
    return [
        round(1 - fmean(sentence_f1(one.trees[place], other.trees[place]) for one, other in pairs), 4)
        for place in range(count)
    ]


def _sets(
    folder: Path,
    experiment: str,
    training: str,
    lengths: Sequence[int],
    distances: Mapping[str, Sequence[Sequence[float]]],
) -> list[TreeSet]:
    """The trees of a folder, the first builder's first, layers from the lowest."""
    found = []
    for builder in BUILDERS:
        for path in sorted(folder.glob(f"*.{builder}.txt")):
            sentences = read_trees(path)
            if [len(each.words) for each in sentences] != list(lengths):
                raise UserError(f"{path}: not over the sentences of {GOLD}; run parse again to write it")
            layer = path.name.removesuffix(f".{builder}.txt").replace("_", " ")
            found.append(
                TreeSet(
                    experiment=experiment,
                    training=training,
                    layer=layer,
                    builder=builder,
                    trees=[each.tree for each in sentences],
                    distances=distances.get(layer, ()),
                )
            )
    return found


def _limited(bank: Treebank) -> Treebank:
    """The first sentences, so many that there are at most `MOST` trees."""
    count = max(1, MOST // len(bank.sets))
    if len(bank.sentences) <= count:
        return bank
    return Treebank(
        sentences=bank.sentences[:count],
        unknown=bank.unknown[:count],
        source=bank.source,
        sets=[
            TreeSet(
                experiment=each.experiment,
                training=each.training,
                layer=each.layer,
                builder=each.builder,
                trees=each.trees[:count],
                distances=each.distances[:count],
            )
            for each in bank.sets
        ],
        left_out=len(bank.sentences) - count,
    )


def _brackets(tree: Tree) -> str:
    return "".join("." if isinstance(token, int) else token for token in tokens(tree))
