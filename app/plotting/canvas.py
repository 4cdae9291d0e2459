"""Figures of panels in blocks, a legend above each block, and picture files that never vary."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from textwrap import fill
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from app.plotting.fonts import without_glyph_warnings
from app.plotting.style import style

ALONE = (6.2, 3.9)  # inches, of a panel that is the only one
AMONG = (4.2, 3.1)  # inches, of one among several
ACROSS = 2  # panels side by side: on a page, a third would make the letters too small to read
INSIDE = 0.85  # the part of a panel that its axes fill, about
METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Creator": None, "Date": None, "Format": None, "Type": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}
LETTERS = 11  # of a title, per inch
LABEL = 42  # letters of a line beside the vertical axis
POINTS = 72.0  # typographic points per inch


@dataclass(frozen=True, slots=True)
class Block:
    """Panels that share a legend."""

    figure: SubFigure
    panels: list[Axes]
    width: float
    height: float


def blocks(counts: Sequence[int]) -> tuple[Figure, list[Block]]:
    """An empty figure of blocks, one below the other.

    Args:
        counts: how many panels each block has, at least one each.
    """
    width, height = ALONE if list(counts) == [1] else AMONG
    columns = min(max(counts), ACROSS)
    rows = [ceil(count / columns) for count in counts]
    figure = Figure(figsize=(columns * width, sum(rows) * height), layout="constrained")
    parts = figure.subfigures(len(counts), 1, squeeze=False, height_ratios=rows).flatten()
    made = []
    for part, count, down in zip(parts, counts, rows, strict=True):
        places = part.subplots(down, columns, squeeze=False).flatten().tolist()
        for unused in places[count:]:
            unused.remove()
        made.append(Block(part, places[:count], POINTS * INSIDE * width, POINTS * INSIDE * height))
    return figure, made


def legend(
    block: Block, handles: Sequence[Artist], texts: Sequence[str], *, each: float, title: str | None = None
) -> None:
    """One legend for the panels of a block, above them, where no data can be.

    Args:
        block: whose.
        handles: one artist per entry.
        texts: what each entry says: plain text, which may come from the user.
        each: inches that one entry needs: decides how many stand side by side.
        title: what the entries are.
    """
    inches = block.figure.bbox.width / block.figure.dpi
    made = block.figure.legend(
        # The texts are set below: matplotlib leaves out a label with a leading underscore, and parses dollar signs.
        handles=list(handles),
        labels=[str(number) for number in range(len(handles))],
        loc="outside upper left",
        ncols=max(1, min(len(handles), int(inches / each))),
        title=fill(title, int(LETTERS * inches)) if title else None,
        alignment="left",
        fontsize=8.5,
        title_fontsize=9,
        handlelength=2.8,
        columnspacing=1.2,
    )
    made.get_title().set_parse_math(False)
    for label, text in zip(made.get_texts(), texts, strict=True):
        label.set_parse_math(False)
        label.set_text(text)


def name_panel(axes: Axes, name: str) -> None:
    """A panel's title: plain text, in lines that are no longer than the panel is wide."""
    axes.set_title(fill(name, int(LETTERS * AMONG[0] * INSIDE)), loc="left", parse_math=False)


def label_axes(axes: Axes, x: str, y: str) -> None:
    """Say what is on the axes; the vertical one is labelled at the left edge only."""
    axes.set_xlabel(x)
    place = axes.get_subplotspec()
    if place is not None and place.is_first_col():
        axes.set_ylabel(fill(y, LABEL))


def render(figure: Figure, kind: str) -> bytes:
    """A picture file, the same bytes each time.

    Args:
        figure: what to draw.
        kind: "png", "svg" or "pdf".
    """
    file = io.BytesIO()
    with style(), without_glyph_warnings():
        figure.savefig(file, format=kind, metadata=METADATA[kind])
    return file.getvalue()
