"""Bracketed trees: files of the Penn and the Chinese Treebank, SPMRL's .ptb, and one tree per line, labelled or not.

`( (S (NP (DT the) (NN cat)) (VP (VBD sat))) )` over any number of lines, or `((the cat) sat)` in one line.
"""

import re
from collections.abc import Sequence

from app.common.errors import UserError
from app.parsing.gold import category
from app.parsing.mrg import read_mrg
from app.parsing.tree_files import parse_trees
from app.parsing.treebank_formats.format import TreebankFormat, TreebankTree
from app.parsing.trees import GoldSentence, Node, Tree

# Labels of the outermost bracket that name no phrase.
ROOTS = frozenset(("", "TOP", "ROOT", "VROOT", "S1"))
MANY = 20  # trees of a file, which do not all look labelled unless they are
# A line of SGML, such as <S ID=12> in the Chinese Treebank.
_SGML = re.compile(r"^[ \t]*+<[^()<>\n]*+>(?:[^()\n]*>)?[ \t\r]*$", re.MULTILINE)


def recognises(text: str) -> bool:
    """Whether a text begins with a bracket, after lines of SGML if there are any."""
    return _without_sgml(text).lstrip().startswith("(")


def read(text: str, source: str) -> list[TreebankTree]:
    """Read the trees of a text; outermost brackets without a label, or with one of `ROOTS`, are removed.

    Raises:
        UserError: as `read_mrg`; or, of a text without labels, as `parse_trees`.
    """
    text = _without_sgml(text)
    try:
        trees = read_mrg(text, source)
    except UserError:
        if not _is_unlabelled(text):
            raise
        trees = None
    if trees is None or _has_words_for_labels(trees, text):
        return [_unlabelled(sentence) for sentence in parse_trees(text.encode(), source)]
    return [_without_root(tree) for tree in trees]


def _without_sgml(text: str) -> str:
    return _SGML.sub("", text) if text.lstrip().startswith("<") else text


def _without_root(tree: Node) -> Node:
    while tree[0] in ROOTS:
        only = tree[1][0] if len(tree[1]) == 1 else None
        if not isinstance(only, tuple):
            return ("", tree[1])
        tree = only
    return tree


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def _is_unlabelled(text: str) -> bool:
    """Whether each line is a tree and less than half of them are trees whose labels look like labels."""
    lines = _lines(text)
    return all(map(_is_balanced, lines)) and sum(map(_is_labelled, lines)) * 2 < len(lines)


def _is_balanced(line: str) -> bool:
    """Whether a line is one bracket, all of it, or one word."""
    depth, ends = 0, 0
    for sign in line.strip():
        depth += (sign == "(") - (sign == ")")
        ends += depth == 0 and sign == ")"
        if depth < 0:
            return False
    return depth == 0 and (ends == 1 and line.strip().endswith(")") if "(" in line else len(line.split()) == 1)


def _is_labelled(line: str) -> bool:
    try:
        (tree, *more) = read_mrg(line, "")
    except UserError:
        return False
    return not more and not _are_words(_labels(tree))


def _has_words_for_labels(trees: Sequence[Node], text: str) -> bool:
    """Whether trees without labels happen to look like trees with labels: ((the cat) (sat down)), (the (cat sat)).

    All trees of a file do so only if the file is small or they are right-branching.
    """
    lines = len(_lines(text))
    if len(trees) != lines or (lines >= MANY and not all(map(_is_chain, trees))):
        return False
    return _are_words([label for tree in trees for label in _labels(tree)])


def _is_chain(tree: Node) -> bool:
    while len(tree[1]) == 1:
        (child,) = tree[1]
        if isinstance(child, str):
            return True
        tree = child
    return False


def _are_words(labels: Sequence[str]) -> bool:
    """Whether most labels look like words: they have lower-case letters, or others than labels have."""
    words = sum(label != label.upper() or not label.isascii() for label in map(category, labels))
    return words * 2 >= len(labels)


def _labels(tree: Node) -> list[str]:
    labels: list[str] = []
    ahead = [tree]
    while ahead:
        label, children = ahead.pop()
        labels += [label] if label else []
        ahead.extend(child for child in children if not isinstance(child, str))
    return labels


def _chain(tree: Node) -> list[str]:
    """The labels of a tree whose nodes have one child each; empty for others."""
    labels = []
    while len(tree[1]) == 1:
        labels.append(tree[0])
        (child,) = tree[1]
        if isinstance(child, str):
            return labels
        tree = child
    return []


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
