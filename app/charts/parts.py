"""What all specifications share: configuration, zoom, legends, dashes and shapes."""

from collections.abc import Sequence
from typing import Any

from app.charts.chart import ROWS, Spec
from app.charts.colours import INK_COLOUR, RULE, SOFT, colour
from app.plotting.data import Entry
from app.plotting.line_styles import LineStyle

HEIGHT = 300  # pixels
LETTER = 7  # pixels, about, of a letter in a legend
SAMPLE = 50  # pixels of a line in a legend, with what is around it
DASHED_SIZE = 900  # of a line in a legend that tells dashes apart: the square of its length in pixels
DASH = 1.6  # pixels per unit of matplotlib's dash patterns
SHAPES = {
    "o": "circle",
    "8": "circle",
    "h": "circle",
    "p": "circle",
    "s": "square",
    "D": "diamond",
    "d": "diamond",
    "^": "triangle-up",
    "v": "triangle-down",
    "<": "triangle-left",
    ">": "triangle-right",
    "P": "cross",
    "X": "M-.35,-.5L0,-.15L.35,-.5L.5,-.35L.15,0L.5,.35L.35,.5L0,.15L-.35,.5L-.5,.35L-.15,0L-.5,-.35Z",
    "*": "M0,-.55L.13,-.18L.52,-.18L.21,.06L.33,.44L0,.2L-.33,.44L-.21,.06L-.52,-.18L-.13,-.18Z",
    "": "circle",
}
# The wheel alone scrolls the page; a finger, too.
ZOOM: Spec = {
    "name": "zoom",
    "select": {
        "type": "interval",
        "translate": "[pointerdown[event.pointerType !== 'touch'], window:pointerup] > window:pointermove!",
        "zoom": "wheel![event.ctrlKey || event.metaKey]",
        "clear": "dblclick",
    },
    "bind": "scales",
}
CONFIG: Spec = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": SOFT,
        "titleColor": INK_COLOUR,
        "titleFontWeight": "normal",
        "gridColor": RULE,
        "domainColor": SOFT,
        "tickColor": SOFT,
        "labelFontSize": 12,
        "titleFontSize": 12.5,
        "labelFlush": True,
    },
    "legend": {
        "orient": "top",
        "title": None,
        "labelColor": INK_COLOUR,
        "titleColor": INK_COLOUR,
        "titleFontWeight": "normal",
        "labelFontSize": 12.5,
        "titleFontSize": 12.5,
        "labelLimit": 320,
        "symbolSize": 70,
        "symbolOpacity": 1,
        "symbolStrokeWidth": 1.8,
        "columnPadding": 14,
        # Side by side, two legends would reach over the edge of a phone.
        "layout": {"top": {"direction": "vertical", "anchor": "start"}},
    },
    "text": {"color": INK_COLOUR},
    "rule": {"color": SOFT},
}


def single(body: Spec, *, height: int = HEIGHT, params: Sequence[Spec] = ()) -> Spec:
    """A specification that is as wide as the page gives it room.

    Args:
        body: its layers or mark, transforms and encoding.
        height: of the plot, in pixels.
        params: of the specification.
    """
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"name": ROWS},
        "params": list(params),
        "config": CONFIG,
        **body,
    }


def legend(labels: Sequence[str], title: str | None = None) -> Spec:
    """A legend above the plot with as many columns as fit."""
    width = SAMPLE + LETTER * max(map(len, labels), default=1)
    return {"title": title, "columns": {"expr": f"max(1, floor(width / {width}))"}}


def dashes(line: Any) -> list[float]:
    """matplotlib's dash pattern as Vega's; [1, 0] for a whole line."""
    return [1, 0] if isinstance(line, str) else [round(DASH * each, 1) for each in line[1]]


def style_channels(styles: Sequence[tuple[str, LineStyle]], field: str) -> dict[str, Spec]:
    """Colour, dashes and shape by name, as the figures on paper have them.

    Args:
        styles: names with their styles, in the order of the legend.
        field: the column with the names.
    """
    names = [name for name, _ in styles]

    def channel(values: list[Any]) -> Spec:
        return {"field": field, "type": "nominal", "scale": {"domain": names, "range": values}, "legend": legend(names)}

    return {
        "color": channel([colour(style.colour) for _, style in styles]),
        "strokeDash": channel([dashes(style.line) for _, style in styles]),
        "shape": channel([SHAPES[style.marker] for _, style in styles]),
    }


def labels_of(entries: Sequence[Entry]) -> dict[LineStyle, str]:
    """The names of lines by their style."""
    return {entry.line_style: entry.name or entry.label for entry in entries}
