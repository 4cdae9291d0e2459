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

__all__ = ["Figure", "Panel", "draw_trees", "save_drawing", "tree_text"]


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


def save_drawing(figure: "Figure", path: Path) -> tuple[Path, Path]:
    """Write a figure as SVG and PNG; equal figures give equal bytes.

    Args:
        figure: the result of `draw_trees`.
        path: of both files, without the suffix.

    Returns:
        The SVG's path and the PNG's.
    """
    from app.plotting.trees.canvas import render

    svg, png = path.with_name(f"{path.name}.svg"), path.with_name(f"{path.name}.png")
    write_atomically(svg, render(figure, "svg"))
    write_atomically(png, render(figure, "png"))
    return svg, png


def tree_text(tree: Tree, words: Sequence[str]) -> str:
    """Format a tree as one line, such as ((the cat) sat).

    Raises:
        UserError: a word is empty or contains white space.
    """
    return write_trees([(words, tree)]).removesuffix("\n")
