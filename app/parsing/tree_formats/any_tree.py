"""A tree as any program writes it, and how one is made from spans, nested lists and labelled nodes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from app.common.errors import UserError
from app.parsing.brackets import Span, brackets
from app.parsing.gold import category
from app.parsing.tag_sets import NONE
from app.parsing.trees import CLOSE, OPEN, GoldSentence, Node, Token, Tree, from_tokens

Phrase = tuple[str, int, int]  # label, first word, word after the last
ESCAPES = {"-LRB-": "(", "-RRB-": ")"}  # brackets in words, as the Penn Treebank spells them


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyTree:
    """A tree of a file of any format.

    Args:
        line: of the file, where it begins, from 1.
        words: None where the format has no words.
        length: number of words.
        tree: over the words, without nodes of a single child.
        phrases: every labelled node, those over a single word too; none where the format has no labels.
        tags: of the words; none where the format has none.
        empty: number of empty elements that were left out.
    """

    line: int
    words: tuple[str, ...] | None
    length: int
    tree: Tree
    phrases: tuple[Phrase, ...] = ()
    tags: tuple[str, ...] = ()
    empty: int = 0

    def sentence(self, words: Sequence[str]) -> GoldSentence:
        """The same for scoring, with the labels without function tags.

        Args:
            words: to take for the tree's own.
        """
        labels = ((category(label), start, end) for label, start, end in self.phrases if end - start > 1)
        return GoldSentence(tuple(words), self.tree, tuple(labels))

    def without(self, left_out: Sequence[bool]) -> "AnyTree | None":
        """The same without some of the words, and without phrases that have none left; None if no word is left.

        Args:
            left_out: of every word.
        """
        kept = [not out for out in left_out]
        if not any(kept):
            return None
        before = [0, *accumulate(kept)]
        moved = [(label, before[start], before[end]) for label, start, end in self.phrases]
        spans = {(before[start], before[end]) for start, end in brackets(self.tree)}
        return replace(
            self,
            words=None if self.words is None else tuple(_kept(self.words, kept)),
            length=before[-1],
            tree=tree_of_spans(before[-1], spans),
            phrases=tuple(phrase for phrase in moved if phrase[1] < phrase[2]),
            tags=tuple(_kept(self.tags, kept)) if self.tags else (),
        )


def _kept(values: Sequence[str], kept: Sequence[bool]) -> Iterator[str]:
    return (value for value, keep in zip(values, kept, strict=True) if keep)


def tree_of_spans(words: int, spans: Iterable[Span]) -> Tree:
    """The tree with these brackets, and one around the whole sentence.

    Args:
        words: number of words, 1 or more.
        spans: first word and word after the last, in any order; those of a single word add nothing.

    Raises:
        UserError: a span is not within the sentence, or two of them cross.
    """
    if words == 1:
        return 0
    chosen = {span for span in spans if span[1] - span[0] > 1} | {(0, words)}
    opened, closed = [0] * (words + 1), [0] * (words + 1)
    around: list[Span] = []
    for start, end in sorted(chosen, key=lambda span: (span[0], -span[1])):
        if not 0 <= start < end <= words:
            raise UserError(f"the span {start} to {end} is not within the {words} words of the sentence")
        while around and around[-1][1] <= start:
            around.pop()
        if around and around[-1][1] < end:
            raise UserError(f"the spans {around[-1][0]} to {around[-1][1]} and {start} to {end} cross")
        around.append((start, end))
        opened[start] += 1
        closed[end] += 1
    return from_tokens(_tokens(words, opened, closed))


def _tokens(words: int, opened: Sequence[int], closed: Sequence[int]) -> Iterator[Token]:
    for word in range(words):
        yield from [OPEN] * opened[word]
        yield word
        yield from [CLOSE] * closed[word + 1]


_END = object()  # of a list


def of_nested(value: Any, where: str) -> tuple[tuple[str, ...] | None, int, Tree]:
    """Words, number of words and tree of nested lists whose leaves are words, or the numbers 0, 1, 2, ... of words.

    Raises:
        UserError: a list is empty, or a leaf is something else.
    """
    leaves: list[str | int] = []

    def found() -> Iterator[Token]:
        ahead = [value]  # not recursive, since trees may be deep
        while ahead:
            item = ahead.pop()
            if item is _END:
                yield CLOSE
            elif isinstance(item, list | tuple):
                if not item:
                    raise UserError(f"{where}: a list is empty; every list holds words or lists")
                yield OPEN
                ahead += [_END, *reversed(item)]
            elif isinstance(item, str) or type(item) is int:
                leaves.append(item)
                yield len(leaves) - 1
            else:
                raise UserError(f"{where}: {item!r} is neither a word nor a list")

    tree = from_tokens(found(), lambda children: children[0] if len(children) == 1 else tuple(children))
    words = tuple(leaf for leaf in leaves if isinstance(leaf, str))
    if words and len(words) < len(leaves):
        raise UserError(f"{where}: has words and numbers; expected one of them")
    if not words and leaves != list(range(len(leaves))):
        raise UserError(f"{where}: its numbers are not 0, 1, 2, ... in this order, as the numbers of words are")
    return words or None, len(leaves), tree


def of_node(node: Node, line: int) -> AnyTree | None:
    """The tree of a labelled node whose words are under their tags; empty elements are left out. None without words."""
    words: list[str] = []
    tags: list[str] = []
    phrases: list[Phrase] = []
    empty = 0
    begun: list[tuple[str, Iterator[Node | str], int]] = [(node[0], iter(node[1]), 0)]
    while begun:
        label, children, start = begun[-1]
        child = next(children, None)
        if isinstance(child, tuple):
            begun.append((child[0], iter(child[1]), len(words)))
        elif child is not None:  # a word, the only child of its tag
            begun.pop()
            if label == NONE:
                empty += 1
            else:
                words.append(unescape(child))
                tags.append(label)
        else:
            begun.pop()
            if label and len(words) > start:
                phrases.append((label, start, len(words)))
    if not words:
        return None
    tree = tree_of_spans(len(words), [(start, end) for _, start, end in phrases])
    return AnyTree(
        line=line, words=tuple(words), length=len(words), tree=tree, phrases=tuple(phrases), tags=tuple(tags),
        empty=empty,
    )  # fmt: skip


def unescape(word: str) -> str:
    """A word with brackets in place of -LRB- and -RRB-."""
    for escape, bracket in ESCAPES.items():
        word = word.replace(escape, bracket)
    return word
