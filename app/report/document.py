"""What a report holds, before it is Markdown or HTML: sentences, tables, and what each picture shows."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.plotting.data import FigureData
from app.report.findings import Findings
from app.report.tables import Table
from app.report.tree_browser import Treebank


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure.

    Args:
        stem: of its files.
        caption: one sentence below it.
        alt: what it shows, in words and numbers.
        source: what it is drawn from, or the contents of its files by their endings, "png" and "svg".
        group: the heading that it stands under.
        of: the experiment that it is of, with which its caption begins; empty where that is no question.
    """

    stem: str
    caption: str
    alt: str
    source: FigureData | Mapping[str, bytes]
    group: str = "Figures"
    of: str = ""

    @property
    def title(self) -> str:
        """A heading: the beginning of the caption, up to its first full stop, colon or semicolon behind its `of`."""
        whose = f"{self.of}: " if self.of else ""
        return whose + re.split(r"[.:;](?:\s|$)", self.caption.removeprefix(whose), maxsplit=1)[0]

    @property
    def remarks(self) -> str:
        """What the caption says after its title."""
        rest = self.caption[len(self.title) :].lstrip(".:; ")
        return f"{rest[:1].upper()}{rest[1:]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSection:
    """One experiment: its name, a heading, what was trained, what it shows, its tables."""

    name: str
    heading: str
    extent: str
    findings: Findings
    tables: Sequence[Table]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPart:
    """What a part of a report adds to it.

    Args:
        pictures: the figures.
        reading: how to read them.
        tables: the numbers behind them, CSV by the name of the file.
    """

    pictures: Sequence[Picture]
    reading: Sequence[str]
    tables: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The whole report.

    Args:
        title: of the page.
        sections: one per experiment.
        pictures: the figures.
        reading: how to read figures and tables.
        command: what made the report.
        tables: the numbers behind it, CSV by the name of the file.
        configurations: the text of config.yaml by run directory.
        treebanks: sentences with all trees over them, for the page.
    """

    title: str
    sections: Sequence[ExperimentSection]
    pictures: Sequence[Picture]
    reading: Sequence[str]
    command: str
    tables: Mapping[str, str] = field(default_factory=dict)
    configurations: Mapping[str, str] = field(default_factory=dict)
    treebanks: Sequence[Treebank] = ()

    @property
    def groups(self) -> dict[str, list[Picture]]:
        """The figures by heading."""
        found: dict[str, list[Picture]] = {"Figures": []}
        for picture in self.pictures:
            found.setdefault(picture.group, []).append(picture)
        return found


def joined(parts: Sequence[Document]) -> Document:
    """One document of several on different runs, made by one command; names of files that come twice get a number."""
    if len(parts) == 1:
        return parts[0]
    pictures: dict[str, Picture] = {}
    tables: dict[str, str] = {}
    for part in parts:
        for picture in part.pictures:
            stem = _free(picture.stem, "", pictures)
            pictures[stem] = replace(picture, stem=stem)
        for name, text in part.tables.items():
            stem, dot, ending = name.rpartition(".")
            tables[_free(stem, f"{dot}{ending}", tables)] = text
    return Document(
        title="; ".join(part.title for part in parts),
        sections=[replace(section, heading=_heading(section)) for part in parts for section in part.sections],
        pictures=list(pictures.values()),
        reading=list(dict.fromkeys(note for part in parts for note in part.reading)),
        command=parts[0].command,
        tables=tables,
        treebanks=[bank for part in parts for bank in part.treebanks],
    )


def _heading(section: ExperimentSection) -> str:
    return section.name if section.heading == "Findings" else section.heading


def _free(stem: str, ending: str, taken: Mapping[str, object]) -> str:
    """The name of a file that no other has."""
    number, name = 1, f"{stem}{ending}"
    while name in taken:
        number += 1
        name = f"{stem}_{number}{ending}"
    return name


def file_stem(name: str) -> str:
    """A name, such as a metric's, as it can be in the name of a file."""
    return re.sub(r"[^\w.-]", "_", name)
