"""The report as Markdown, the pictures beside it."""

from collections.abc import Sequence
from textwrap import indent

from app.report.document import Document
from app.report.tables import Table


def markdown(document: Document) -> str:
    """The text of report.md.

    Args:
        document: what to say; each picture lies next to the file as STEM.png.
    """
    parts = [f"# {_plain(document.title)}"]
    for section in document.sections:
        parts += [f"## {_plain(section.heading)}", _plain(section.extent)]
        for label, sentences in section.findings.by_subject.items():
            parts += [f"**{_plain(label)}**", _list(sentences)]
        parts.append(_plain(section.findings.basis))
    for heading, pictures in document.groups.items():
        parts.append(f"## {heading}")
        for picture in pictures:
            parts += [f"![{_plain(picture.alt)}]({picture.stem}.png)", _plain(picture.caption)]
    parts += ["## How to read", _list(document.reading), "## Tables"]
    for section in document.sections:
        for table in section.tables:
            parts += [f"### {_plain(section.name)}: {_plain(table.caption)}", _table(table)]
    parts += ["## Made by", indent(document.command, "    ")]
    return "\n\n".join(parts) + "\n"


def _list(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {_plain(sentence)}" for sentence in sentences)


def _table(table: Table) -> str:
    header = list(map(_plain, table.header))
    marks = ["--:" if column not in table.words else ":--" for column in range(len(table.header))]
    rows = [[_plain(cell) if column in table.words else cell for column, cell in enumerate(row)] for row in table.rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, marks, *rows])


def _plain(text: str) -> str:
    """Text in which nothing is taken for markup: names come from the user."""
    for mark in "\\`*_[]<>|#":
        text = text.replace(mark, f"\\{mark}")
    return text
