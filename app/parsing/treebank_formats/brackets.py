"""Bracketed trees: files of the Penn and the Chinese Treebank, SPMRL's .ptb, and one tree per line, labelled or not.

`( (S (NP (DT the) (NN cat)) (VP (VBD sat))) )` over any number of lines, or `((the cat) sat)` in one line.
"""

import re

from app.common.errors import UserError
from app.parsing.labels import DAMAGED, Evidence, evidence
from app.parsing.mrg import read_mrg
from app.parsing.tree_files import TOKEN, spelt_line, unlabelled_tree
from app.parsing.treebank_formats.format import TreebankFormat, TreebankTree
from app.parsing.trees import GoldSentence, Node, Tree

# Labels of the outermost bracket that name no phrase.
ROOTS = frozenset(("", "TOP", "ROOT", "VROOT", "S1"))
# A line of SGML, such as <S ID=12> in the Chinese Treebank.
_SGML = re.compile(r"^[ \t]*+<[^()<>\n]*+>(?:[^()\n]*>)?[ \t\r]*$", re.MULTILINE)


def recognises(text: str) -> bool:
    """Whether a text begins with a bracket, after lines of SGML if there are any, and most of it is in brackets.

    A line between trees may be of a single word, which is a tree without labels; running text that begins with a
    bracket, as a README may, has more.
    """
    text = _without_sgml(text).lstrip()
    return text.startswith("(") and _is_in_brackets(text)


def _is_in_brackets(text: str) -> bool:
    """Whether of the lines that begin outside of all brackets most begin with one, or are a word."""
    depth = inside = outside = 0
    for line in text.split("\n"):
        if depth == 0 and line.strip():
            is_tree = line.lstrip().startswith("(") or len(line.split()) == 1
            inside, outside = inside + is_tree, outside + (not is_tree)
        depth = max(0, depth + line.count("(") - line.count(")"))
    return inside > outside


def label_evidence(text: str, *, cut: bool) -> Evidence | None:
    """What a text tells about whether its trees have labels; None if they must have, being over several lines.

    Args:
        text: of a file, or of its beginning.
        cut: whether it goes on.
    """
    text = _without_sgml(text)
    lines = [line for line in text.split("\n") if line.strip()]
    # Some lines may lack a bracket by mistake; only the last may be cut.
    parts = sum(line.count("(") != line.count(")") for line in (lines[:-1] if cut else lines))
    if parts > max(1, DAMAGED * len(lines)):
        return None
    return evidence(TOKEN.findall(text), cut=cut)


def read(text: str, source: str) -> list[TreebankTree]:
    """Read labelled trees; outermost brackets without a label, or with one of `ROOTS`, are removed.

    Raises:
        UserError: as `read_mrg`.
    """
    return [_without_root(tree) for tree in read_mrg(_without_sgml(text), source)]


def read_unlabelled(text: str, source: str) -> list[TreebankTree]:
    """Read trees without labels, one a line; their phrases and tags have empty labels.

    Raises:
        UserError: no tree, or a line is not exactly one.
    """
    lines = _without_sgml(text).split("\n")
    trees: list[TreebankTree] = [
        _unlabelled(unlabelled_tree(spelt_line(line.encode(), f"{source}, line {number}")))
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not trees:
        raise UserError(f"{source}: has no tree; is it the right file?")
    return trees


def _without_sgml(text: str) -> str:
    return _SGML.sub("", text) if text.lstrip().startswith("<") else text


def _without_root(tree: Node) -> Node:
    while tree[0] in ROOTS:
        only = tree[1][0] if len(tree[1]) == 1 else None
        if not isinstance(only, tuple):
            return ("", tree[1])
        tree = only
    return tree


def _unlabelled(sentence: GoldSentence) -> Node:
    """The tree of a sentence with empty labels and tags. Nothing recurses."""
    root: Node = ("", [])
    ahead: list[tuple[Tree, Node]] = [(sentence.tree, root)]
    while ahead:
        tree, above = ahead.pop()
        if isinstance(tree, tuple):
            node: Node = ("", [])
            ahead.extend((child, node) for child in reversed(tree))
        else:
            node = ("", [sentence.words[tree]])
        above[1].append(node)
    return root


FORMAT = TreebankFormat("bracketed trees", recognises, read)
UNLABELLED = TreebankFormat("bracketed trees without labels", recognises, read_unlabelled)
