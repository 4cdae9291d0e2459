"""The export format of NEGRA and TIGER (Brants 1997), versions 3 and 4: a line per word and per phrase.

    #BOS 1
    Das     PDS     --      SB      500
    geht    VVFIN   --      HD      500
    #500    S       --      --      0
    #EOS 1

The columns are the word, in version 4 its lemma, tag, morphology, edge and parent, then pairs of secondary edges, and
after %% a comment. A phrase is named by its number, and 0 is the sentence.
"""

import re
from dataclasses import dataclass
from itertools import chain
from sys import intern
from typing import TypeAlias

from app.common.errors import UserError
from app.parsing.discontinuous import ROOT, DiscontinuousTree
from app.parsing.treebank_formats.format import TreebankFormat, TreebankTree, find_cycle, one_word, refuse, shown

_PHRASE = re.compile(r"#(\d{3,})", re.ASCII)
_BEGINS = re.compile(r"#BOS\s+(\S+)(?:\s.*)?", re.ASCII)  # a number; a name in some exports of Alpino's
_ENDS = re.compile(r"#EOS\s+(\S+)(?:\s.*)?", re.ASCII)
_FORMAT = re.compile(r"#FORMAT\s+([34])\s*", re.ASCII)
_TABLE = re.compile(r"#(BOT|EOT)(?:\s.*)?", re.ASCII)
_COMMENT = "%%"
LEAST_COLUMNS = {3: 5, 4: 6}

_Row: TypeAlias = tuple[int, list[str]]  # line, and the columns up to the parent


def recognises(text: str) -> bool:
    """Whether a text has a line that begins a sentence or names the version."""
    return re.search(r"^#(?:BOS\s+\S|FORMAT\s+[34])", text, re.MULTILINE | re.ASCII) is not None


def read(text: str, source: str) -> list[TreebankTree]:
    """Read the trees of a text.

    The version is that of the line #FORMAT, or else follows from the number of columns. Tables of tags between #BOT and
    #EOT are skipped, secondary edges too.

    Raises:
        UserError: no sentence, or a line that is not in the format; the message names the line.
    """
    trees = _Reader(source).read(text.split("\n"))
    if not trees:
        raise UserError(f"{source}: has no tree; is it the right file?")
    return [*trees]


@dataclass(slots=True)
class _Reader:
    source: str
    version: int | None = None

    def read(self, lines: list[str]) -> list[DiscontinuousTree]:
        trees: list[DiscontinuousTree] = []
        begun: tuple[int, str] | None = None  # line and number of the sentence
        table: int | None = None  # line where a table of tags began
        rows: list[_Row] = []
        for number, whole in enumerate(lines, start=1):
            line = whole.rstrip("\r \t")
            if table is not None or _TABLE.fullmatch(line):
                table = None if line.startswith("#EOT") else table or number
            elif found := _BEGINS.fullmatch(line):
                if begun:
                    refuse(self.source, number, f"sentence {begun[1]} of line {begun[0]} has no #EOS before this")
                begun, rows = (number, found[1]), []
            elif found := _ENDS.fullmatch(line):
                if not begun or begun[1] != found[1]:
                    refuse(self.source, number, f"#EOS {found[1]} ends no sentence that was begun by #BOS {found[1]}")
                if rows:  # NEGRA has a few empty sentences
                    trees.append(self._tree(rows))
                begun = None
            elif begun and line and not line.startswith(_COMMENT):
                rows.append((number, self._columns(line, number)))
            elif found := _FORMAT.fullmatch(line):
                self.version = int(found[1])
            elif line and not line.startswith(_COMMENT):
                refuse(self.source, number, f"{shown(line)} is outside all sentences, from #BOS to #EOS")
        if begun:
            refuse(self.source, begun[0], f"sentence {begun[1]} has no #EOS")
        if table is not None:
            refuse(self.source, table, "the table that begins here has no #EOT")
        return trees

    def _columns(self, line: str, number: int) -> list[str]:
        """Name, tag and parent of a word or phrase."""
        columns = re.split("\t+", line) if "\t" in line else line.split()
        for at, column in enumerate(columns):
            if at and column.startswith(_COMMENT):
                del columns[at:]
                break
        if self.version is None:
            self.version = 3 if len(columns) % 2 else 4
        least = LEAST_COLUMNS[self.version]
        if len(columns) < least or (len(columns) - least) % 2:
            refuse(
                self.source,
                number,
                f"has {len(columns)} columns; version {self.version} of the export format has {least}, and 2 for each "
                "secondary edge",
            )
        return [columns[0], columns[least - 4], columns[least - 1]]

    def _tree(self, rows: list[_Row]) -> DiscontinuousTree:
        words = [row for row in rows if not _PHRASE.fullmatch(row[1][0])]
        phrases = [row for row in rows if _PHRASE.fullmatch(row[1][0])]
        index: dict[str, int] = {"0": ROOT}
        for at, (line, (name, _, _)) in enumerate(phrases):
            if name[1:] in index:
                refuse(self.source, line, f"{name} is there twice in the sentence")
            index[name[1:]] = at
        parents: dict[int, int] = {}
        for line, (name, _, parent) in chain(words, phrases):
            if parent not in index:
                refuse(self.source, line, f"the parent of {shown(name)} is {shown(parent)}, which the sentence lacks")
            parents[line] = index[parent]
        above = [(at, parents[line]) for at, (line, _) in enumerate(phrases)]
        if (cycle := find_cycle(above)) is not None:
            line, (name, _, _) = phrases[cycle]
            refuse(self.source, line, f"{name} is above itself")
        used = set(parents.values())
        for at, (line, (name, _, _)) in enumerate(phrases):
            if at not in used:
                refuse(self.source, line, f"{name} is empty")
        return DiscontinuousTree(
            [(intern(tag), one_word(word)) for _, (word, tag, _) in words],
            [parents[line] for line, _ in words],
            [(intern(label), parent) for (_, (_, label, _)), (_, parent) in zip(phrases, above, strict=True)],
        )


FORMAT = TreebankFormat("the NEGRA export format", recognises, read)
