"""Composes a picture of several trees over the same sentence: layout, title and legend."""

from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap

from matplotlib.figure import Figure

from app.parsing.brackets import Span, brackets
from app.parsing.trees import GoldSentence
from app.plotting.trees.canvas import Letters, Pen, Sheet, style
from app.plotting.trees.panels import Panel
from app.plotting.trees.view import BAR, BAR_WIDTH, DOT, LINE, NOTE, OTHER, SHARED, WHOLE, View, slots

TITLE = Letters(11, "#000000", "bold")
MARGIN = 0.2  # all lengths are in inches
GAP = 0.4  # between trees
BELOW_TITLE, ABOVE_LEGEND = 0.1, 0.2
NARROWEST = 3.2  # least width between the margins, for the title and the legend
WIDEST = 12.5  # most width of trees side by side
# The step between levels makes the deepest tree TALL, but is at most MOST, and at least LEAST (LEAST_LABELLED
# with labels) for dots and labels to fit. No tree becomes taller than TALLEST, even with a step below LEAST.
TALL, TALLEST = 3.6, 12.0
LEAST, LEAST_LABELLED, MOST = 0.12, 0.18, 0.27

SAMPLE = 0.3  # length of a line in the legend
LEGEND = {SHARED: "in the gold tree", OTHER: "not in the gold tree", WHOLE: "whole sentence, not counted"}
DISTANCES = "distance"


def compose(panels: Sequence[Panel], title: str, gold: GoldSentence | None) -> Figure:
    """Draw the trees and then the gold tree; see `app.plotting.trees.draw_trees`."""
    with style():
        views = _views(panels, gold)
        width = max(view.width for view in views)
        columns = min(len(views), max(1, int((WIDEST + GAP) / (width + GAP))))
        rows = [views[start : start + columns] for start in range(0, len(views), columns)]
        inside = max(columns * (width + GAP) - GAP, NARROWEST)
        step, lines, legend = _step(views), _wrapped(title, inside), _legend(views, inside)
        heights = [_height(row, step) for row in rows]
        above = LINE * len(lines) + BELOW_TITLE * bool(lines)
        below = LINE * len(legend) + ABOVE_LEGEND * bool(legend)
        sheet = Sheet(2 * MARGIN + inside, 2 * MARGIN + above + sum(heights) + GAP * (len(rows) - 1) + below)
        top = sheet.height - MARGIN
        for number, line in enumerate(lines, start=1):
            sheet.text(MARGIN, top - LINE * number + 0.05, line, TITLE, align="left")
        top -= above
        for row, height in zip(rows, heights, strict=True):
            ground = top - height + max(view.foot for view in row)
            for column, view in enumerate(row):
                view.draw(sheet, MARGIN + column * (width + GAP), top, ground, step)
            top -= height + GAP
        _draw_legend(sheet, legend)
        return sheet.figure


def _height(row: Sequence[View], step: float) -> float:
    """The height of a row of trees, whose words are on one line."""
    return max(view.head for view in row) + max(view.levels for view in row) * step + max(view.foot for view in row)


def _views(panels: Sequence[Panel], gold: GoldSentence | None) -> list[View]:
    """The views of all trees, with the same column widths."""
    drawn = list(panels)
    if gold is not None:
        drawn.append(Panel("gold", gold.tree, gold.words))
    columns = [max(widths) for widths in zip(*map(slots, drawn), strict=True)]
    right = None if gold is None else brackets(gold.tree)
    views = [View(panel, columns, gold=right, labels={}) for panel in panels]
    if gold is not None:
        views.append(View(drawn[-1], columns, gold=None, labels=_labels(gold.constituents)))
    return views


def _labels(constituents: Iterable[tuple[str, int, int]]) -> dict[Span, str]:
    """The text on each bracket: the labels of a unary chain from the top down, joined by a plus."""
    chains: dict[Span, list[str]] = {}
    for label, start, end in constituents:
        chain = chains.setdefault((start, end), [])
        if label not in chain:
            chain.insert(0, label)  # children come before their parents
    return {span: "+".join(chain) for span, chain in chains.items()}


def _step(views: Sequence[View]) -> float:
    """The height of one level."""
    levels = max(1.0, *(view.levels for view in views))
    least = LEAST_LABELLED if any(view.labels for view in views) else LEAST
    return min(MOST, max(least, TALL / levels), TALLEST / levels)


def _wrapped(title: str, width: float) -> list[str]:
    """Wrap the title to the width of the sheet, by the average width of its characters."""
    return wrap(title, max(10, int(0.95 * len(title) * width / TITLE.width(title)))) if title else []


def _legend(views: Sequence[View], width: float) -> list[list[tuple[Pen | None, str]]]:
    """The lines of the legend: pairs of a pen, or None for the bars, and its text."""
    pens: Mapping[Pen, None] = {view.pen(bracket): None for view in views for bracket in view.brackets}
    entries: list[tuple[Pen | None, str]] = [(pen, text) for pen, text in LEGEND.items() if pen in pens]
    if any(view.panel.distances is not None for view in views):
        entries.append((None, DISTANCES))
    lines: list[list[tuple[Pen | None, str]]] = []
    free = 0.0
    for entry in entries:
        needed = _entry_width(*entry)
        if needed > free:
            lines.append([])
            free = width
        lines[-1].append(entry)
        free -= needed
    return lines


def _entry_width(pen: Pen | None, text: str) -> float:
    return (BAR_WIDTH if pen is None else SAMPLE) + 0.07 + NOTE.width(text) + 0.22


def _draw_legend(sheet: Sheet, legend: Sequence[Sequence[tuple[Pen | None, str]]]) -> None:
    for number, line in enumerate(reversed(legend)):
        x, y = MARGIN, MARGIN + LINE * number
        for pen, text in line:
            end = x + _entry_width(pen, text)
            if pen is None:
                sheet.block(x, y, BAR_WIDTH, 0.1, BAR)
            else:
                sheet.line([(x, y + 0.05), (x + SAMPLE, y + 0.05)], pen)
                if pen.dot:
                    sheet.dot(x + SAMPLE / 2, y + 0.05, pen, DOT)
            sheet.text(x + (BAR_WIDTH if pen is None else SAMPLE) + 0.07, y + 0.01, text, NOTE, align="left")
            x = end
