"""Tree types, nested tuples of word indices or labelled nodes, and their traversal without recursion."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

# Word indices 0..n-1 in order. Every node of a predicted tree has two children, of a gold tree two or more; the tree of
# a single word is its index.
Tree: TypeAlias = int | tuple["Tree", ...]

# A labelled tree: (label, children), where a child is a tree or a word.
Node: TypeAlias = tuple[str, list["Node | str"]]

OPEN, CLOSE = "(", ")"
Token: TypeAlias = int | str  # a word's index, OPEN or CLOSE


@dataclass(frozen=True, slots=True)
class GoldSentence:
    """A sentence of a treebank, preprocessed for scoring.

    Args:
        words: as the language model reads them.
        tree: unlabelled, with unary chains collapsed.
        constituents: (label, start, end) of every labelled node that covers two words or more, end exclusive; each
            label of a unary chain counts.
    """

    words: tuple[str, ...]
    tree: Tree
    constituents: tuple[tuple[str, int, int], ...] = ()


def tokens(tree: Tree) -> Iterator[Token]:
    """The brackets and words of a tree from left to right.

    A tree can be as deep as its sentence is long, so this does not recurse.
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
    """Build a tree from its tokens; the inverse of `tokens`.

    Args:
        tokens: of one tree, with balanced brackets.
        join: makes a node from its finished children.
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
