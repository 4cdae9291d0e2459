"""How experiments of `fit` look: one colour, dash and marker for each, in all figures, and their legend."""

from collections.abc import Mapping, Sequence
from math import ceil
from textwrap import fill
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from app.plotting.canvas import Block, legend
from app.plotting.style import Look, plural
from app.report.fits.reading import FitExperiment

# Okabe and Ito's palette; dashes and markers recur at other times, so that no two of 140 experiments look the same.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES: tuple[Any, ...] = ("-", (0, (4, 2)), (0, (7, 1.5, 1.5, 1.5)), (0, (1.2, 1.4)))
MARKERS = ("o", "^", "s", "v", "D")
NAME = 60  # letters of an experiment's name in the legend
LINE_LETTERS = 40  # in a line of it
LINE = 0.19  # inches


def look(rank: int) -> Look:
    """How an experiment is drawn, by its place among all."""
    return Look(
        label="",
        colour=COLOURS[rank % len(COLOURS)],
        line=DASHES[rank % len(DASHES)],
        marker=MARKERS[rank % len(MARKERS)],
    )


def experiments_legend(
    figure: Figure,
    block: Block,
    experiments: Sequence[FitExperiment],
    ranks: Sequence[int],
    *,
    others: Mapping[str, Line2D] | None = None,
) -> None:
    """The experiments above the panels, which keep their size: the figure gets higher.

    Names are the user's: they are put in after matplotlib has looked for what it takes for marks.

    Args:
        figure: which gets higher.
        block: whose panels.
        experiments: all that are reported on.
        ranks: those that are drawn.
        others: lines besides, by name.
    """
    others = others or {}
    chosen = [experiments[rank] for rank in ranks]
    texts = [fill(f"{_short(each.name)} ({plural(len(each.fits), 'seed')})", LINE_LETTERS) for each in chosen]
    texts += others
    handles = [
        Line2D([], [], label=str(rank), color=its.colour, linestyle=its.line, marker=its.marker, markeredgewidth=0)
        for rank, its in ((rank, look(rank)) for rank in ranks)
    ]
    for name, line in others.items():
        line.set_label(name)
        handles.append(line)
    each = 0.7 + 0.08 * max(len(line) for text in texts for line in text.splitlines())
    width, height = figure.get_size_inches()
    rows = ceil(len(texts) / max(1, int(width / each)))
    columns = [texts[first : first + rows] for first in range(0, len(texts), rows)]
    lines = max(sum(text.count("\n") + 1 for text in column) for column in columns)
    figure.set_size_inches(width, height + LINE * (lines - 1))
    legend(block, handles, each=each)
    for label, text in zip(block.figure.legends[-1].get_texts(), texts, strict=True):
        label.set_parse_math(False)
        label.set_text(text)


def _short(name: str) -> str:
    return name if len(name) <= NAME else f"{name[: NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
