"""One picture of several trees over the same sentence: their places on the sheet, the title and the legend."""

from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap

from matplotlib.figure import Figure

from app.parsing.brackets import Span, brackets
from app.parsing.trees import GoldSentence
from app.plotting.trees.canvas import Letters, Pen, Sheet, style
from app.plotting.trees.panels import Panel
from app.plotting.trees.view import BAR, BAR_WIDTH, DOT, LINE, NOTE, OTHER, SHARED, WHOLE, View, slots

TITLE = Letters(11, "#000000", "bold")
MARGIN = 0.2  # inches, as all lengths here
GAP = 0.4  # between trees
BELOW_TITLE, ABOVE_LEGEND = 0.1, 0.2
NARROWEST = 3.2  # between the margins: the title and the legend need it
WIDEST = 12.5  # of trees side by side
# From one level to the next: so that a tree is TALL, but neither below what dots and labels need, nor above what looks
# well; and whatever they need where a tree would be TALLEST.
TALL, TALLEST = 3.6, 12.0
LEAST, LEAST_LABELLED, MOST = 0.12, 0.18, 0.27

SAMPLE = 0.3  # of a line, in the legend
LEGEND = {SHARED: "in the gold tree", OTHER: "not in the gold tree", WHOLE: "whole sentence, not counted"}
DISTANCES = "distance"


def compose(panels: Sequence[Panel], title: str, gold: GoldSentence | None) -> Figure:
    """Draw trees, and the gold tree after them; see `app.plotting.trees.draw_trees`."""
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
    """Of trees side by side, whose words stand in one line."""
    return max(view.head for view in row) + max(view.levels for view in row) * step + max(view.foot for view in row)


def _views(panels: Sequence[Panel], gold: GoldSentence | None) -> list[View]:
    """The trees that are to be drawn, with one width for each word."""
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
    """What is written on each bracket: the labels of a unary chain from its top down, joined by a plus."""
    chains: dict[Span, list[str]] = {}
    for label, start, end in constituents:
        chain = chains.setdefault((start, end), [])
        if label not in chain:
            chain.insert(0, label)  # children come before their parents
    return {span: "+".join(chain) for span, chain in chains.items()}


def _step(views: Sequence[View]) -> float:
    """From one level to the next."""
    levels = max(1.0, *(view.levels for view in views))
    least = LEAST_LABELLED if any(view.labels for view in views) else LEAST
    return min(MOST, max(least, TALL / levels), TALLEST / levels)


def _wrapped(title: str, width: float) -> list[str]:
    """The title in lines no longer than the sheet is wide, if its letters are about as wide in every line."""
    return wrap(title, max(10, int(0.95 * len(title) * width / TITLE.width(title)))) if title else []


def _legend(views: Sequence[View], width: float) -> list[list[tuple[Pen | None, str]]]:
    """Lines of entries: a pen, or None for the bars, and what it says."""
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
