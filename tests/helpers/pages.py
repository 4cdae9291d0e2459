"""What is on the pages and in the figures of a report."""

from html.parser import HTMLParser

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from app.plotting.style import style


class Outside(HTMLParser):
    """Collects what a page would fetch, and the pictures in it with their texts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.pictures: list[tuple[str, str]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "poster", "action"):
                self.references.append(value)
        if tag == "img":
            self.pictures.append((dict(attrs)["src"], dict(attrs)["alt"]))


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
