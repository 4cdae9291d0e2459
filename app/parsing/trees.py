"""What a tree is: nested tuples of word indices, with or without labels; and how to go through one of any depth."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

# Word indices 0..n-1 in order. Predicted trees have two children everywhere, gold trees two or more; one word alone is
# its index.
Tree: TypeAlias = int | tuple["Tree", ...]

# A labelled tree: its label and its children, which are trees or words.
Node: TypeAlias = tuple[str, list["Node | str"]]

OPEN, CLOSE = "(", ")"
Token: TypeAlias = int | str  # a word's index, OPEN or CLOSE


@dataclass(frozen=True, slots=True)
class GoldSentence:
    """A sentence of a treebank, prepared for scoring.

    Args:
        words: as the language model is to read them.
        tree: unlabelled, unary chains collapsed.
        constituents: (label, start, end) of every labelled node that covers two words or more, end exclusive; the
            labels of a unary chain each count.
    """

    words: tuple[str, ...]
    tree: Tree
    constituents: tuple[tuple[str, int, int], ...] = ()


def tokens(tree: Tree) -> Iterator[Token]:
    """The tree as its brackets read from left to right.

    Trees are as deep as sentences are long, so nothing here recurses.
    """
    ahead: list[Tree | str] = [tree]
    while ahead:
        node = ahead.pop()
        if isinstance(node, tuple):
            yield OPEN
            ahead.append(CLOSE)
            ahead.extend(reversed(node))
        else:
            yield node


def from_tokens(tokens: Iterable[Token], join: Callable[[Sequence[Tree]], Tree] = tuple) -> Tree:
    """The tree that balanced brackets spell.

    Args:
        tokens: of one tree, as `tokens` gives them.
        join: makes a node of its children, which are made already.
    """
    open_nodes: list[list[Tree]] = [[]]
    for token in tokens:
        if token == OPEN:
            open_nodes.append([])
        elif isinstance(token, int):
            open_nodes[-1].append(token)
        else:
            children = open_nodes.pop()
            open_nodes[-1].append(join(children))
    return open_nodes[0][0]
