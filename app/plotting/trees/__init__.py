"""Draws trees as pictures and formats them as text; matplotlib is imported only when the first picture is drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.common.files import write_atomically
from app.parsing.tree_files import write_trees
from app.parsing.trees import GoldSentence, Tree
from app.plotting.trees.panels import Panel, check

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["KINDS", "Figure", "Panel", "draw_trees", "save_drawing", "tree_text"]

KINDS = ("svg", "png", "pdf")  # endings of the files of a drawing


def draw_trees(panels: Sequence[Panel], title: str = "", *, gold: GoldSentence | None = None) -> "Figure":
    """Draw trees over one sentence, side by side if they fit, else one below the other.

    A gold tree is drawn last, with its labels, and the brackets of the other trees show whether they are in it.

    Args:
        panels: one or more trees.
        title: the title above all trees.
        gold: the same sentence in the treebank.

    Returns:
        A matplotlib figure whose size fits its trees.

    Raises:
        UserError: no trees, different numbers of words, or a distance that is not finite.
    """
    check(panels, gold)
    from app.plotting.trees.picture import compose

    return compose(panels, title, gold)


def save_drawing(figure: "Figure", path: Path) -> tuple[Path, ...]:
    """Write a figure in every kind of file; equal figures give equal bytes.

    Args:
        figure: the result of `draw_trees`.
        path: of all files, without the suffix.

    Returns:
        The paths, in the order of `KINDS`.
    """
    from app.plotting.trees.canvas import render

    paths = tuple(path.with_name(f"{path.name}.{kind}") for kind in KINDS)
    for kind, written in zip(KINDS, paths, strict=True):
        write_atomically(written, render(figure, kind))
    return paths


def tree_text(tree: Tree, words: Sequence[str]) -> str:
    """Format a tree as one line, such as ((the cat) sat).

    Raises:
        UserError: a word is empty or contains white space.
    """
    return write_trees([(words, tree)]).removesuffix("\n")
