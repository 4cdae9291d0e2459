"""Draws one tree of a picture: its brackets above the words, and the distances below them."""

from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate

from app.parsing.brackets import Span
from app.plotting.trees.canvas import Letters, Pen, Sheet
from app.plotting.trees.geometry import Bracket, place
from app.plotting.trees.panels import Panel

# Lengths are in inches, font sizes and line widths in points. The colours are from Okabe and Ito's palette, which
# colour-blind readers can distinguish; dashes and hollow dots show the same without colours.
HEADING = Letters(9.5, "#000000", "bold")
NOTE = Letters(8, "#555555")
WORD = Letters(10, "#000000")
NUMBER = Letters(7, "#444444")
LABEL = Letters(7.5, "#222222")
SHARED = Pen("#0072B2", 1.8, dot="full")
OTHER = Pen("#D55E00", 1.2, (0, (3.2, 1.8)), dot="hollow")
WHOLE = Pen("#8a8a8a", 1.2)
PLAIN = Pen("#222222", 1.2)
RULE = Pen("#888888", 0.6)
BAR = "#b4c3d1"

SLOT = 0.34  # least width of a word's column
BETWEEN = 0.11  # gap between words and between numbers
LINE = 0.18  # line height of text
LONGEST_BAR = 0.28
BAR_WIDTH = 0.15
NUMBERS = 0.13  # height of the line of numbers
WORDS = 0.22  # height of the line of words, with the space above and below it
CROWN = 0.16  # space above the highest bracket, for its label
DOT = 0.028  # radius
CORNER = 0.05  # radius


def slots(panel: Panel) -> list[float]:
    """The column width that each word needs."""
    texts = [[(WORD, word)] for word in panel.words]
    for text, number in zip(texts, _numbers(panel), strict=False):
        text.append((NUMBER, number))
    return [max(SLOT, *(letters.width(text) + BETWEEN for letters, text in column)) for column in texts]


class View:
    """The layout of a tree, relative to its position on the sheet.

    Args:
        panel: the tree, its words and distances.
        columns: the width of each word's column.
        gold: the brackets of the gold tree to compare with; None for no comparison.
        labels: the text on brackets.
    """

    def __init__(
        self, panel: Panel, columns: Sequence[float], *, gold: Collection[Span] | None, labels: Mapping[Span, str]
    ) -> None:
        self.panel = panel
        self.columns = columns
        self.gold = gold
        self.labels = labels
        self.centres = [end - column / 2 for end, column in zip(accumulate(columns), columns, strict=True)]
        self.brackets = place(panel.tree, self.centres)

    @property
    def levels(self) -> float:
        """The number of levels of brackets."""
        return self.brackets[-1].at[1] if self.brackets else 0

    @property
    def note(self) -> str:
        """How many brackets are in the gold tree, without the one around the sentence, which is in every tree."""
        inner = [bracket.span for bracket in self.brackets[:-1]]
        if self.gold is None or not inner:
            return ""
        return f"{sum(span in self.gold for span in inner)} of {len(inner)} brackets are in the gold tree"

    @property
    def head(self) -> float:
        """The height of the heading."""
        return LINE * bool(self.panel.title) + LINE * bool(self.note) + CROWN

    @property
    def foot(self) -> float:
        """The height of everything below the brackets."""
        return WORDS + (NUMBERS + LONGEST_BAR if self.panel.distances is not None else 0)

    @property
    def width(self) -> float:
        """The width of the tree with its heading."""
        return max(sum(self.columns), HEADING.width(self.panel.title), NOTE.width(self.note))

    def pen(self, bracket: Bracket) -> Pen:
        """The line style of a bracket."""
        if self.gold is None:
            return PLAIN
        if bracket is self.brackets[-1]:
            return WHOLE
        return SHARED if bracket.span in self.gold else OTHER

    def draw(self, sheet: Sheet, x: float, top: float, ground: float, step: float) -> None:
        """Draw from x to the right: the heading below `top`, the brackets above `ground` with levels `step` apart."""
        for text, letters in ((self.panel.title, HEADING), (self.note, NOTE)):
            if text:
                top -= LINE
                sheet.text(x, top + 0.05, text, letters, align="left")
        for bracket in self.brackets:
            self._draw_bracket(sheet, x, ground, step, bracket)
        y = ground - WORDS
        for centre, word in zip(self.centres, self.panel.words, strict=True):
            sheet.text(x + centre, y + 0.07, word, WORD)
        if self.panel.distances is not None:
            self._draw_distances(sheet, x, y - LONGEST_BAR, self.panel.distances)

    def _draw_bracket(self, sheet: Sheet, x: float, y: float, step: float, bracket: Bracket) -> None:
        pen = self.pen(bracket)
        top = y + bracket.at[1] * step
        feet = [(x + across, y + level * step) for across, level in bracket.children]
        (left, left_foot), (right, right_foot) = feet[0], feet[-1]
        zorder = 2.5 if pen is SHARED else 2
        sheet.line([(left, left_foot), (left, top), (right, top), (right, right_foot)], pen, CORNER, zorder)
        for across, foot in feet[1:-1]:
            sheet.line([(across, foot), (across, top)], pen, zorder=zorder)
        middle = x + bracket.at[0]
        if pen.dot:
            sheet.dot(middle, top, pen, DOT)
        if bracket.span in self.labels:
            sheet.text(middle, top - 0.04, self.labels[bracket.span], LABEL, clear=0.02)

    def _draw_distances(self, sheet: Sheet, x: float, y: float, distances: Sequence[float]) -> None:
        """Draw bars from 0, or from the least distance if it is negative; the longest bar is `LONGEST_BAR`."""
        least = min(0.0, *distances)
        scale = LONGEST_BAR / ((max(distances) - least) or 1)
        for centre, distance, number in zip(self.centres, distances, _numbers(self.panel), strict=True):
            sheet.block(x + centre - BAR_WIDTH / 2, y, BAR_WIDTH, (distance - least) * scale, BAR)
            sheet.text(x + centre, y - NUMBERS + 0.02, number, NUMBER)
        sheet.line([(x, y), (x + sum(self.columns), y)], RULE)


def _numbers(panel: Panel) -> list[str]:
    distances = () if panel.distances is None else panel.distances
    return [f"{distance:.2f}".replace("-", "\N{MINUS SIGN}") for distance in distances]
