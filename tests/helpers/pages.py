"""What is on the pages and in the figures of a report."""

import json
from html.parser import HTMLParser
from typing import Any

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from app.plotting.style import style


class Outside(HTMLParser):
    """Collects what a page would fetch, its pictures and charts with their texts, its data, and all its words.

    Attributes:
        tags: of all elements.
        references: addresses in them.
        pictures: source and text of every image.
        charts: the text of every chart by its name.
        data: of the charts and the trees, by the name of the element.
        words: all text outside of scripts and styles.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.pictures: list[tuple[str, str]] = []
        self.charts: dict[str, str] = {}
        self.data: dict[str, Any] = {}
        self.words = ""
        self._within: tuple[str, dict[str, str]] = ("", {})

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "poster", "action"):
                self.references.append(value)
        if tag == "img":
            self.pictures.append((dict(attrs)["src"], dict(attrs)["alt"]))
        if tag == "figure" and "data-chart" in dict(attrs):
            self.charts[dict(attrs)["data-chart"]] = ""
        self._within = tag, dict(attrs)

    def handle_data(self, data):
        tag, attrs = self._within
        name = attrs.get("id") or ""
        if attrs.get("type") == "application/json":
            self.data[name] = json.loads(data)
        elif tag not in ("script", "style"):
            self.words += data
            if name.removesuffix("-alt") in self.charts and attrs.get("class") == "unseen":
                self.charts[name.removesuffix("-alt")] += data

    def handle_endtag(self, tag):
        self._within = "", {}


class Recorder(RendererAgg):
    """Draws, and remembers which texts it has drawn."""

    def __init__(self, figure: Figure) -> None:
        super().__init__(*figure.bbox.size, figure.dpi)
        self.texts = []

    def draw_text(self, gc, x, y, s, prop, angle, ismath=False, mtext=None):
        self.texts.append(mtext)


def text_boxes(figure: Figure):
    """Every piece of text that is drawn, and where it stands, in pixels."""
    with style():
        recorder = Recorder(figure)
        figure.draw(recorder)
        several_lines = figure.findobj(lambda artist: isinstance(artist, Text) and "\n" in artist.get_text())
        drawn = dict.fromkeys([*filter(None, recorder.texts), *several_lines])
        return [(text.get_text(), text.get_window_extent(recorder)) for text in drawn]
