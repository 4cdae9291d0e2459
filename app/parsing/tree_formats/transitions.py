"""Transitions of a shift-reduce parser, as SPINN and its successors have them: 0 0 1 0 1, or SHIFT SHIFT REDUCE."""

import re
from collections.abc import Sequence

from app.common.errors import UserError
from app.parsing.tree_formats.any_tree import AnyTree
from app.parsing.trees import Tree

SHIFT, REDUCE = ("0", "SHIFT", "S"), ("1", "REDUCE", "R")
_SEPARATORS = re.compile(r"[\s,\[\]'\"]+")


def recognises(text: str) -> bool:
    """Whether every line is such transitions, and one of them has two words or more."""
    lines = [_split(line) for line in text.split("\n") if line.strip()]
    try:
        trees = [_tree(steps) for steps in lines]
    except ValueError:
        return False
    return any(isinstance(tree, tuple) for tree, _ in trees)


def read(text: str, source: str) -> list[AnyTree]:
    """Read a tree a line; there are no words in it. Blank lines are left out.

    Raises:
        UserError: a line is not the transitions of one tree; names the line.
    """
    found = []
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            tree, length = _tree(_split(content))
        except ValueError as error:
            raise UserError(f"{source}, line {line}: {error}") from None
        found.append(AnyTree(line=line, words=None, length=length, tree=tree))
    return found


def _split(line: str) -> list[str]:
    return [step for step in _SEPARATORS.split(line.upper()) if step]


def _tree(steps: Sequence[str]) -> tuple[Tree, int]:
    """The tree, and its number of words.

    Raises:
        ValueError: they are not the transitions of one tree.
    """
    stack: list[Tree] = []
    words = 0
    for step in steps:
        if step in SHIFT:
            stack.append(words)
            words += 1
        elif step not in REDUCE:
            raise ValueError(f"{step!r} is no transition; expected 0 or SHIFT for a word, 1 or REDUCE for a node")
        elif len(stack) < 2:
            raise ValueError("REDUCE where fewer than two trees wait; expected SHIFT SHIFT REDUCE")
        else:
            right = stack.pop()
            stack.append((stack.pop(), right))
    if len(stack) != 1:
        raise ValueError(f"{len(stack)} trees are left at its end; expected one")
    return stack[0], words
