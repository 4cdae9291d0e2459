"""Prepares a labelled tree for scoring: which of its words count, how they are spelt, and its brackets over them."""

import re
from collections.abc import Callable, Iterator, Sequence

from app.common.spelling import MIKOLOV, Spelling
from app.parsing.penn_treebank import WORD_TAGS
from app.parsing.trees import GoldSentence, Node, Tree

# Function tags, NP-SBJ-1 and NP=2, and the features of SPMRL's files, NP##case=nom##; keeps -NONE- and -LRB- whole.
_FUNCTION = re.compile("(?<=.)(?:[-=].|##).*", re.DOTALL)


def category(label: str) -> str:
    """A label or tag without function tags and features: NP-SBJ-1, NP=2 and NP##case=nom## are NP."""
    return _FUNCTION.sub("", label)


def is_penn_word(tag: str, word: str) -> bool:
    """Whether the authors' `data_ptb.py` keeps a word of this tag."""
    return tag in WORD_TAGS


def gold_sentence(
    node: Node,
    *,
    keep_all: bool = False,
    is_word: Callable[[str, str], bool] = is_penn_word,
    spelling: Spelling = MIKOLOV,
) -> GoldSentence | None:
    """Preprocess a labelled tree for scoring, as the authors' `data_ptb.py` does.

    What is no word is removed: by default, what has no tag in `WORD_TAGS`. The others become lower case with `N` for
    every run of digits ("1.5" becomes "N.N"), unless the spelling is another. Phrases without words are removed, and
    unary phrases are collapsed in the unlabelled tree. Labels lose their function tags: NP-SBJ-1 and NP=2 become NP.
    Safe for trees of any depth, because nothing recurses.

    Args:
        node: a tree in which each word is under its tag; phrases with an empty label are no constituents.
        keep_all: keep every word unchanged, whatever its tag.
        is_word: says of a tag and a word whether it is kept.
        spelling: of the words that are not kept unchanged.

    Returns:
        The sentence, its constituents in the order of their ends; None if no word is left.
    """
    words: list[str] = []
    constituents: list[tuple[str, int, int]] = []
    # Open phrases: label, children not visited yet, first word, trees of the children visited.
    begun: list[tuple[str, Iterator[Node | str], int, list[Tree]]] = [(node[0], iter(node[1]), 0, [])]
    top = begun[0][3]
    while begun:
        label, children, start, made = begun[-1]
        child = next(children, None)
        if isinstance(child, tuple):
            begun.append((child[0], iter(child[1]), len(words), []))
        elif child is not None:
            if keep_all or is_word(label, child):
                made.append(len(words))
                words.append(child if keep_all else spelling.of_tree(child))
        else:
            begun.pop()
            if label and len(words) - start > 1:
                constituents.append((category(label), start, len(words)))
            if begun:
                begun[-1][3].extend(_collapsed(made))
    return GoldSentence(tuple(words), _collapsed(top)[0], tuple(constituents)) if words else None


def _collapsed(trees: Sequence[Tree]) -> Sequence[Tree]:
    """A node over several trees; one tree or none needs no node."""
    return [tuple(trees)] if len(trees) > 1 else trees
