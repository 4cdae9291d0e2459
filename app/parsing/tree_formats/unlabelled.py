"""Brackets around words, as this program and data of natural-language inference have them: ((the cat) sat)."""

from app.parsing.tree_files import spelt_lines, unlabelled_tree
from app.parsing.tree_formats.any_tree import AnyTree


def recognises(text: str) -> bool:
    """Whether it may be brackets around words, or a single word a line: what no other format is."""
    return text.lstrip()[:1] not in ("[", "{")


def read(text: str, source: str) -> list[AnyTree]:
    """Read a tree a line.

    Raises:
        UserError: a line is empty, or not exactly one tree.
    """
    sentences = map(unlabelled_tree, spelt_lines(text.encode(), source))
    return [
        AnyTree(line=line, words=sentence.words, length=len(sentence.words), tree=sentence.tree)
        for line, sentence in enumerate(sentences, start=1)
    ]
