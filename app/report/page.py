"""The report as one HTML file: pictures, style and words in it, nothing fetched from anywhere."""

from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.report.document import Document

TEMPLATES = Path(__file__).parent / "templates"


def page(document: Document, pictures: Mapping[str, bytes]) -> str:
    """The text of report.html.

    Args:
        document: what to say.
        pictures: an SVG file per stem of the document's pictures.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["keep_units"] = _keep_units
    encoded = {stem: b64encode(svg).decode() for stem, svg in pictures.items()}
    return environment.get_template("report.html.j2").render(document=document, pictures=encoded)


def _keep_units(sentence: str) -> str:
    """A sentence in which no line breaks between a number and its unit."""
    return sentence.replace(" %", "\N{NO-BREAK SPACE}%").replace(" pp", "\N{NO-BREAK SPACE}pp")
