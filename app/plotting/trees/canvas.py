"""Drawing primitives for pictures of trees; lengths are in inches, font sizes and line widths in points."""

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

from app.plotting.fonts import BASIC, families, without_glyph_warnings

POINTS = 72.0  # typographic points per inch
DPI = 200
PIXELS = 40e6  # of the largest PNG; a larger picture gets a lower resolution
SIDE = 30_000  # most pixels of the longer side; matplotlib cannot write more
RC: dict[Any, Any] = {
    "font.family": BASIC,
    "svg.fonttype": "none",  # text as text, as in all figures
    "pdf.fonttype": 42,
    "svg.hashsalt": "trees-and-tickets",  # makes element ids reproducible
}
METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Creator": None, "Date": None, "Format": None, "Type": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}


@dataclass(frozen=True, slots=True)
class Letters:
    """A font style.

    Args:
        size: in points.
        colour: a matplotlib colour.
        weight: "normal" or "bold".
    """

    size: float
    colour: str
    weight: str = "normal"

    def font(self, text: str) -> dict[str, Any]:
        """Matplotlib's properties of a text; not bold where another font has to help, of which that may be missing."""
        chosen = families(text)
        return {"family": chosen, "size": self.size, "weight": self.weight if len(chosen) == 1 else "normal"}

    def width(self, text: str) -> float:
        """The width of a text in this style, in inches."""
        shown = printable(text)
        font = FontProperties(**self.font(shown))
        with without_glyph_warnings():
            width, _, _ = text_to_path.get_text_width_height_descent(shown, font, ismath=False)
        return float(width) / POINTS


@dataclass(frozen=True, slots=True)
class Pen:
    """A line style of brackets.

    Args:
        colour: a matplotlib colour.
        width: in points.
        dashes: matplotlib's line style.
        dot: the mark in the middle of a bracket: "full", "hollow", or "" for none.
    """

    colour: str
    width: float
    dashes: Any = "-"
    dot: str = ""


class Sheet:
    """An empty figure to draw on; its origin is the lower left corner.

    Args:
        width: in inches.
        height: in inches.
    """

    def __init__(self, width: float, height: float) -> None:
        self.width = width
        self.height = height
        self.figure = Figure(figsize=(width, height), facecolor="white")
        self._axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
        self._axes.set_axis_off()

    def text(self, x: float, y: float, text: str, letters: Letters, *, align: str = "center", clear: float = 0) -> None:
        """Write a text on the baseline y.

        Args:
            x: of the text's middle, or of its left end if `align` is "left".
            y: of the baseline.
            text: plain text; characters that are not printable become replacement characters.
            letters: the font style.
            align: "center" or "left".
            clear: width of a white margin around the text, which covers lines below it; 0 for none.
        """
        shown = printable(text)
        self._axes.text(
            x,
            y,
            shown,
            **letters.font(shown),
            ha=align,
            va="baseline",
            color=letters.colour,
            parse_math=False,
            zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": clear * POINTS} if clear else None,
        )

    def line(self, points: Sequence[tuple[float, float]], pen: Pen, rounded: float = 0, zorder: float = 2) -> None:
        """Draw a line through points, with corners rounded by the radius `rounded`."""
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
        """Draw a dot, filled or hollow as the pen says."""
        inside = pen.colour if pen.dot == "full" else "white"
        self._axes.add_patch(Circle((x, y), radius, facecolor=inside, edgecolor=pen.colour, linewidth=1.0, zorder=3))

    def block(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Draw a filled rectangle, given its lower left corner."""
        self._axes.add_patch(Rectangle((x, y), width, height, facecolor=colour, edgecolor="none", zorder=1))


def printable(text: str) -> str:
    """Replace control characters, which not every file format can contain."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


@contextmanager
def style() -> Iterator[None]:
    """Use matplotlib's defaults with our settings, independent of the user's matplotlibrc."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield


def render(figure: Figure, kind: str) -> bytes:
    """Render a figure as the content of a picture file; equal figures give equal bytes.

    Args:
        figure: the figure.
        kind: "png", "svg" or "pdf".
    """
    width, height = figure.get_size_inches()
    dpi = min(DPI, sqrt(PIXELS / (width * height)), SIDE / max(width, height))
    file = io.BytesIO()
    with style(), without_glyph_warnings():
        figure.savefig(file, format=kind, metadata=METADATA[kind], dpi=dpi)
    return file.getvalue()


def _corner(
    before: tuple[float, float], at: tuple[float, float], after: tuple[float, float], radius: float
) -> list[tuple[float, float]]:
    """The start, the control point and the end of a rounded corner."""

    def towards(other: tuple[float, float]) -> tuple[float, float]:
        length = sqrt((other[0] - at[0]) ** 2 + (other[1] - at[1]) ** 2)
        part = min(radius, length / 2) / length if length else 0
        return at[0] + (other[0] - at[0]) * part, at[1] + (other[1] - at[1]) * part

    return [towards(before), at, towards(after)]
