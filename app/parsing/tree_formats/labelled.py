"""Labelled trees, as treebanks, compound PCFGs and URNNGs write them: (NT-3 (T-1 the) (NT-2 (T-5 cat) (T-4 sat)))."""

import re
from collections.abc import Iterator

from app.common.errors import UserError
from app.parsing.labels import evidence
from app.parsing.mrg import parse_mrg
from app.parsing.tree_files import TOKEN
from app.parsing.tree_formats.any_tree import AnyTree, of_node


def recognises(text: str) -> bool:
    """Whether the first word of every bracket is its label, and every word has a tag."""
    return text.lstrip().startswith("(") and evidence(TOKEN.findall(text)).verdict()[0]


def read(text: str, source: str) -> list[AnyTree]:
    """Read the trees, one a line or each over several lines.

    Raises:
        UserError: brackets do not match, a word has no tag, or a tree has no words; names the line.
    """
    nodes = parse_mrg(text.encode(), source)
    found = []
    for node, line in zip(nodes, _begins(text), strict=True):
        if (tree := of_node(node, line)) is None:
            raise UserError(f"{source}, line {line}: a tree without words; delete it")
        found.append(tree)
    return found


def _begins(text: str) -> Iterator[int]:
    """The lines where outermost brackets open."""
    depth, line = 0, 1
    for piece in re.finditer(r"[()\n]", text):
        if piece[0] == "\n":
            line += 1
        elif piece[0] == "(":
            if depth == 0:
                yield line
            depth += 1
        else:
            depth -= 1
