"""Paper, pens and letters for pictures of trees; lengths are in inches, unless they are of letters and lines."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import sqrt
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Circle, PathPatch, Rectangle
from matplotlib.path import Path as Outline
from matplotlib.textpath import text_to_path

POINTS = 72.0  # typographic points per inch
DPI = 200
PIXELS = 40e6  # of the largest PNG; a longer sentence gets fewer per inch
SIDE = 30_000  # pixels of its longer side: more is beyond matplotlib
RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters everywhere
    "svg.fonttype": "path",  # letters as outlines: no viewer needs the font
    "svg.hashsalt": "trees-and-tickets",  # the same element names each time
}
METADATA = {"png": {"Software": None}, "svg": {"Creator": None, "Date": None, "Format": None, "Type": None}}


@dataclass(frozen=True, slots=True)
class Letters:
    """How text is written.

    Args:
        size: in points.
        colour: as matplotlib takes it.
        weight: "normal" or "bold".
    """

    size: float
    colour: str
    weight: str = "normal"

    def width(self, text: str) -> float:
        """How wide a text is."""
        font = FontProperties(family=RC["font.family"], size=self.size, weight=self.weight)
        width, _, _ = text_to_path.get_text_width_height_descent(printable(text), font, ismath=False)
        return float(width) / POINTS


@dataclass(frozen=True, slots=True)
class Pen:
    """How brackets are drawn.

    Args:
        colour: as matplotlib takes it.
        width: in points.
        dashes: matplotlib's pattern.
        dot: what marks the middle of a bracket: "full", "hollow", or "" for nothing.
    """

    colour: str
    width: float
    dashes: Any = "-"
    dot: str = ""


class Sheet:
    """An empty sheet to draw on, from its lower left corner.

    Args:
        width: of the sheet.
        height: of the sheet.
    """

    def __init__(self, width: float, height: float) -> None:
        self.width = width
        self.height = height
        self.figure = Figure(figsize=(width, height), facecolor="white")
        self._axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
        self._axes.set_axis_off()

    def text(self, x: float, y: float, text: str, letters: Letters, *, align: str = "center", clear: float = 0) -> None:
        """Write a text on the base line y.

        Args:
            x: of the text's middle, or of its left end where `align` is "left".
            y: of its base line.
            text: plain; what cannot be printed becomes a replacement character.
            letters: how it is written.
            align: "center" or "left".
            clear: how far around the text nothing else is to be seen; 0 for no such care.
        """
        self._axes.text(
            x,
            y,
            printable(text),
            ha=align,
            va="baseline",
            size=letters.size,
            color=letters.colour,
            weight=letters.weight,
            parse_math=False,
            zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": clear * POINTS} if clear else None,
        )

    def line(self, points: Sequence[tuple[float, float]], pen: Pen, rounded: float = 0, zorder: float = 2) -> None:
        """Draw a line through points, with corners of a radius `rounded`."""
        corners = [_corner(*three, rounded) for three in zip(points, points[1:], points[2:], strict=False)]
        vertices = [points[0], *(vertex for corner in corners for vertex in corner), points[-1]]
        codes = [Outline.MOVETO, *[Outline.LINETO, Outline.CURVE3, Outline.CURVE3] * len(corners), Outline.LINETO]
        self._axes.add_patch(
            PathPatch(
                Outline(vertices, codes),
                facecolor="none",
                edgecolor=pen.colour,
                linewidth=pen.width,
                linestyle=pen.dashes,
                capstyle="butt",
                joinstyle="round",
                zorder=zorder,
            )
        )

    def dot(self, x: float, y: float, pen: Pen, radius: float) -> None:
        """Mark a point."""
        inside = pen.colour if pen.dot == "full" else "white"
        self._axes.add_patch(Circle((x, y), radius, facecolor=inside, edgecolor=pen.colour, linewidth=1.0, zorder=3))

    def block(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """A filled rectangle from its lower left corner."""
        self._axes.add_patch(Rectangle((x, y), width, height, facecolor=colour, edgecolor="none", zorder=1))


def printable(text: str) -> str:
    """A text that every format can hold: control characters are replaced."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's own defaults and our changes to them, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield


def render(figure: Figure, kind: str) -> bytes:
    """A picture file, the same bytes each time.

    Args:
        figure: what to draw.
        kind: "png" or "svg".
    """
    width, height = figure.get_size_inches()
    dpi = min(DPI, sqrt(PIXELS / (width * height)), SIDE / max(width, height))
    file = io.BytesIO()
    with style():
        figure.savefig(file, format=kind, metadata=METADATA[kind], dpi=dpi)
    return file.getvalue()


def _corner(
    before: tuple[float, float], at: tuple[float, float], after: tuple[float, float], radius: float
) -> list[tuple[float, float]]:
    """Where a rounded corner begins, what it bends around, and where it ends."""

    def towards(other: tuple[float, float]) -> tuple[float, float]:
        length = sqrt((other[0] - at[0]) ** 2 + (other[1] - at[1]) ** 2)
        part = min(radius, length / 2) / length if length else 0
        return at[0] + (other[0] - at[0]) * part, at[1] + (other[1] - at[1]) * part

    return [towards(before), at, towards(after)]
