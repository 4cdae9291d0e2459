"""The tables of a report as LaTeX, for `\\input` in a paper that loads booktabs and graphicx."""

import re
from collections.abc import Iterable, Sequence
from textwrap import wrap

from app.report.document import Document, ExperimentSection
from app.report.tables import Table

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\N{GREATER-THAN OR EQUAL TO}": r"$\geq$",
    "\N{LESS-THAN OR EQUAL TO}": r"$\leq$",
    "\N{MINUS SIGN}": "$-$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{EN DASH}": "--",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
    "\N{NO-BREAK SPACE}": "~",
} | {mark: f"\\{mark}" for mark in "#$%&_{}"}
_SPECIAL = re.compile("|".join(map(re.escape, SPECIAL)))
HEAD = "% Tables of a report; in the preamble: \\usepackage{booktabs,graphicx}\n"
# A table is as wide as it is, but not wider than the text.
FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
HEADING_WIDTH, TEXT_WIDTH = 16, 50  # characters, beyond which the heading of a column and a text have several lines


def latex(document: Document) -> str:
    """The text of tables.tex: a `table` for every table of the report, with a label of its experiment and caption."""
    known: set[str] = set()
    made = [_table(section, table, known) for section in document.sections for table in section.tables]
    return "\n".join([HEAD, *made])


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return _SPECIAL.sub(lambda match: SPECIAL[match[0]], text)


def _table(section: ExperimentSection, table: Table, known: set[str]) -> str:
    columns = "".join("l" if column in table.words else "r" for column in range(len(table.header)))
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped(section.name)}: {escaped(table.caption)}}}",
        rf"\label{{{_label(section.name, table.caption, known)}}}",
        r"\medskip",
        FIT,
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _row(table.header, columns, HEADING_WIDTH, "b"),
        r"\midrule",
        *(_row(row, columns, TEXT_WIDTH, "t") for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}}",
        r"\end{table}",
    ]
    return "".join(f"{line}\n" for line in lines)


def _row(cells: Sequence[str], columns: str, width: int, side: str) -> str:
    folded = (_folded(cell, width, side, column) for cell, column in zip(cells, columns, strict=True))
    return " & ".join(folded) + r" \\"


def _folded(text: str, width: int, side: str, column: str) -> str:
    """A cell, in several lines if it is longer than so many characters, aligned with the line of that side: t or b."""
    # A bracket at the beginning of a line would be read as an argument of the line break before it.
    lines = [
        f"{{{line}}}" if line.startswith("[") else line
        for line in map(escaped, wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""])
    ]
    if len(lines) == 1:
        return lines[0]
    return rf"\begin{{tabular}}[{side}]{{@{{}}{column}@{{}}}}" + r"\\".join(lines) + r"\end{tabular}"


def _label(name: str, caption: str, known: set[str]) -> str:
    """A label of plain letters that no other table has."""
    words: Iterable[str] = re.findall(r"[a-z0-9]+", f"{name} {caption.partition(':')[0]}".lower())
    label = f"tab:{'-'.join(words)}"
    while label in known:
        label += "-again"
    known.add(label)
    return label
