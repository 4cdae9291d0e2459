"""Legends of lines: one entry for each method or experiment, above the panels."""

from collections.abc import Mapping, Sequence
from math import ceil
from textwrap import fill

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from app.plotting.canvas import Block, legend
from app.plotting.data import Entry

LINE_LETTERS = 40  # in a line of an entry
LINE = 0.19  # inches
FEW_LINES = 2  # that a legend of methods may have before the figure gets higher
HANDLE, LETTER = 0.7, 0.08  # inches of an entry beside its letters, and of a letter: more than they need


def methods_legend(figure: Figure, block: Block, entries: Sequence[Entry], *, each: float) -> None:
    """Methods above the panels of a block; with many of them the figure gets higher, and the panels keep their size.

    Args:
        figure: which gets higher.
        block: whose panels.
        entries: the methods.
        each: inches that an entry has at least.
    """
    texts = [fill(entry.label, LINE_LETTERS) for entry in entries]
    widest = max(len(line) for text in texts for line in text.splitlines())
    each = max(each, 0.5 + 0.065 * widest)
    width, height = figure.get_size_inches()
    lines = _lines(texts, columns=max(1, int(width / each)))
    figure.set_size_inches(width, height + LINE * max(0, lines - FEW_LINES))
    legend(block, [_handle(entry) for entry in entries], texts, each=each)


def experiments_legend(
    figure: Figure, block: Block, entries: Sequence[Entry], *, others: Mapping[str, Line2D] | None = None
) -> None:
    """Experiments above the panels, which keep their size: the figure gets higher.

    Args:
        figure: which gets higher.
        block: whose panels.
        entries: the experiments.
        others: lines besides, by name.
    """
    others = others or {}
    texts = [*(fill(entry.label, LINE_LETTERS) for entry in entries), *others]
    handles = [*map(_handle, entries), *others.values()]
    each = HANDLE + LETTER * max(len(line) for text in texts for line in text.splitlines())
    width, height = figure.get_size_inches()
    lines = _lines(texts, columns=max(1, int(width / each)))
    figure.set_size_inches(width, height + LINE * (lines - 1))
    legend(block, handles, texts, each=each)


def _lines(texts: Sequence[str], *, columns: int) -> int:
    """How many lines the longest of so many columns has."""
    rows = ceil(len(texts) / columns)
    parts = [texts[first : first + rows] for first in range(0, len(texts), rows)]
    return max(sum(text.count("\n") + 1 for text in part) for part in parts)


def _handle(entry: Entry) -> Line2D:
    line_style = entry.line_style
    return Line2D(
        [], [], color=line_style.colour, linestyle=line_style.line, marker=line_style.marker, markeredgewidth=0
    )
