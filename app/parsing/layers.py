"""The trees of every layer of a network, and of the mean over its layers."""

from collections.abc import Sequence

from torch import Tensor

from app.parsing.builders import build_tree
from app.parsing.trees import Tree

MEAN = "mean of layers"


def by_layer(distances: Tensor) -> dict[str, list[float]]:
    """The distances of one sentence by layer: "layer 1" is the lowest; `MEAN` is added where there are several layers.

    Args:
        distances: (L, n), one value per layer and word.
    """
    named = {f"layer {depth}": layer.tolist() for depth, layer in enumerate(distances, start=1)}
    return named | ({MEAN: distances.mean(0).tolist()} if len(distances) > 1 else {})


def ties(distances: Sequence[Tensor]) -> dict[str, tuple[int, int]]:
    """Number of sentences of three words or more with equal distances, by layer, named as in `by_layer`.

    Both builders split at the first of the greatest distances, so that words with equal distances are right-branching,
    whatever the model has learnt.

    Args:
        distances: (L, n) for each sentence of n words.

    Returns:
        For each layer, sentences in which two words or more have the same distance, and those in which all words have.
    """
    counts: dict[str, tuple[int, int]] = {}
    for sentence in distances:
        for name, values in by_layer(sentence).items():
            different = len(set(values))
            some, all_words = counts.get(name, (0, 0))
            long = len(values) > 2
            counts[name] = some + (long and different < len(values)), all_words + (long and different == 1)
    return counts


def layer_trees(distances: Sequence[Tensor], builder: str = "shen2018") -> dict[str, list[Tree]]:
    """The trees of all sentences by layer, named as in `by_layer`.

    Args:
        distances: (L, n) for each sentence of n words.
        builder: one of `BUILDERS`.

    Raises:
        UserError: as `build_tree` does.
    """
    trees: dict[str, list[Tree]] = {}
    for sentence in distances:
        for name, values in by_layer(sentence).items():
            trees.setdefault(name, []).append(build_tree(values, builder))
    return trees
