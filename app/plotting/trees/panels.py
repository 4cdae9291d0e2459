"""The input of a picture: its trees, and checks of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.common.errors import UserError
from app.parsing.brackets import words_in
from app.parsing.trees import GoldSentence, Tree


@dataclass(frozen=True, slots=True)
class Panel:
    """One tree of a picture.

    Args:
        title: the title above the tree, such as the name of a layer.
        tree: over the words.
        words: written below the leaves.
        distances: drawn below the words as numbers and bars, one per word; None for none.
    """

    title: str
    tree: Tree
    words: Sequence[str]
    distances: Sequence[float] | None = None


def check(panels: Sequence[Panel], gold: GoldSentence | None) -> None:
    """Check that there are trees, that all have the same number of words, and that all distances are finite.

    Raises:
        UserError: one of these is not so.
    """
    if not panels:
        raise UserError("a picture of trees needs at least one tree")
    expected = len(panels[0].words)
    for panel in panels:
        counts = {"words": len(panel.words), "leaves": words_in(panel.tree)}
        if panel.distances is not None:
            counts["distances"] = len(panel.distances)
            _check_finite(panel.distances, panel.title)
        for what, count in counts.items():
            if count != expected:
                raise UserError(f"the tree {panel.title!r} has {count} {what}, expected {expected}")
    if gold is not None and (found := words_in(gold.tree)) != expected:
        raise UserError(f"the gold tree has {found} words, but the other trees have {expected}")


def _check_finite(distances: Sequence[float], title: str) -> None:
    for word, distance in enumerate(distances, start=1):
        if not math.isfinite(distance):
            raise UserError(f"the tree {title!r}: the distance of word {word} is {distance}; has the model diverged?")
