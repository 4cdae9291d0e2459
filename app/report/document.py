"""What a report holds, before it is Markdown or HTML: sentences, tables, and what each picture shows."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.plotting.data import FigureData
from app.report.findings import Findings
from app.report.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure.

    Args:
        stem: of its files.
        caption: one sentence below it.
        alt: what it shows, in words and numbers.
        source: what it is drawn from, or the contents of its files by their endings, "png" and "svg".
        group: the heading that it stands under.
    """

    stem: str
    caption: str
    alt: str
    source: FigureData | Mapping[str, bytes]
    group: str = "Figures"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSection:
    """One experiment: its name, a heading, what was trained, what it shows, its tables."""

    name: str
    heading: str
    extent: str
    findings: Findings
    tables: Sequence[Table]


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
    """

    title: str
    sections: Sequence[ExperimentSection]
    pictures: Sequence[Picture]
    reading: Sequence[str]
    command: str
    tables: Mapping[str, str] = field(default_factory=dict)

    @property
    def groups(self) -> dict[str, list[Picture]]:
        """The figures by heading."""
        found: dict[str, list[Picture]] = {"Figures": []}
        for picture in self.pictures:
            found.setdefault(picture.group, []).append(picture)
        return found


def file_stem(name: str) -> str:
    """A name, such as a metric's, as it can be in the name of a file."""
    return re.sub(r"[^\w.-]", "_", name)
