"""The report as one HTML file: pictures, style and words in it, nothing fetched from anywhere."""

from base64 import b64encode
from collections.abc import Mapping
from html import escape

from app.report.document import Document, Picture, Section
from app.report.tables import Table

CSS = """
:root { color-scheme: light dark; --ink: #1b1b1b; --soft: #5f6368; --rule: #dcdcdc; --paper: #ffffff; --tint: #f6f7f8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --soft: #a2a7ad; --rule: #3a3d41; --paper: #17181a; --tint: #1f2124; }
}
body { max-width: 52rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; color: var(--ink); background: var(--paper);
       font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1.5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.75rem 0 .6rem; overflow-wrap: anywhere; }
p.basis, figcaption, small { color: var(--soft); }
h3 { font-size: 1rem; margin: 1.1rem 0 .3rem; }
ul { margin: .3rem 0; padding-left: 1.25rem; }
li { margin: .2rem 0; }
figure { margin: 1.75rem 0; }
figure img { width: 100%; height: auto; box-sizing: border-box; padding: .75rem; background: #ffffff;
             border: 1px solid var(--rule); border-radius: 6px; }
figcaption { margin-top: .4rem; font-size: .92rem; }
.scroll { overflow-x: auto; margin: 1.25rem 0; }
table { width: 100%; border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .3rem 0; font-weight: 600; }
th, td { padding: .28rem .6rem; text-align: right; vertical-align: bottom; border-bottom: 1px solid var(--rule); }
th.words, td.words { text-align: left; overflow-wrap: anywhere; }
thead th { border-bottom: 2px solid var(--soft); font-weight: 600; }
tbody th { font-weight: 600; }
tbody tr:nth-child(odd) { background: var(--tint); }
td small { font-size: .92em; white-space: nowrap; }
pre { padding: .6rem .8rem; background: var(--tint); border: 1px solid var(--rule); border-radius: 6px;
      font-size: .86rem; white-space: pre-wrap; overflow-wrap: anywhere; }
"""


def page(document: Document, pictures: Mapping[str, bytes]) -> str:
    """The text of report.html.

    Args:
        document: what to say.
        pictures: an SVG file per stem of the document's pictures.
    """
    body = "\n".join(
        [
            f"<h1>{escape(document.title)}</h1>",
            *map(_section, document.sections),
            "<h2>Figures</h2>",
            *(_figure(picture, pictures[picture.stem]) for picture in document.pictures),
            "<h2>How to read</h2>",
            _list(document.reading),
            "<h2>Tables</h2>",
            *(_table(section, table) for section in document.sections for table in section.tables),
            *([] if document.command is None else ["<h2>Made by</h2>", f"<pre>{escape(document.command)}</pre>"]),
        ]
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(document.title)}</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    found = "\n".join(
        f"<h3>{escape(label)}</h3>\n{_list(sentences)}" for label, sentences in section.findings.by_method.items()
    )
    return (
        f"<section>\n<h2>{escape(section.heading)}</h2>\n<p>{escape(section.extent)}</p>\n"
        f'{found}\n<p class="basis">{escape(section.findings.basis)}</p>\n</section>'
    )


def _list(sentences: list[str]) -> str:
    items = (escape(sentence).replace(" %", "&nbsp;%").replace(" pp", "&nbsp;pp") for sentence in sentences)
    return "<ul>\n" + "\n".join(f"<li>{item}</li>" for item in items) + "\n</ul>"


def _figure(picture: Picture, svg: bytes) -> str:
    source = f"data:image/svg+xml;base64,{b64encode(svg).decode()}"
    return (
        f'<figure>\n<img src="{source}" alt="{escape(picture.alt)}">\n'
        f"<figcaption>{escape(picture.caption)}</figcaption>\n</figure>"
    )


def _table(section: Section, table: Table) -> str:
    header = "".join(f'<th scope="col"{_side(table, at)}>{escape(name)}</th>' for at, name in enumerate(table.header))
    rows = "\n".join(_row(table, cells) for cells in table.rows)
    return (
        f'<div class="scroll">\n<table>\n<caption>{escape(section.name)}: {escape(table.caption)}</caption>\n'
        f"<thead><tr>{header}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>"
    )


def _row(table: Table, cells: tuple[str, ...]) -> str:
    first = f'<th scope="row"{_side(table, 0)}>{escape(cells[0])}</th>'
    rest = (
        f"<td{_side(table, at)}>{escape(cell)}</td>" if at in table.words else _cell(cell)
        for at, cell in enumerate(cells[1:], 1)
    )
    return f"<tr>{first}{''.join(rest)}</tr>"


def _side(table: Table, column: int) -> str:
    return ' class="words"' if column in table.words else ""


def _cell(text: str) -> str:
    """A cell whose range, in brackets, stands back behind its mean."""
    mean, bracket, rest = text.partition(" (")
    return f"<td>{escape(mean)}<small>{escape(bracket + rest)}</small></td>" if bracket else f"<td>{escape(mean)}</td>"
