"""Sentences drawn from a grammar, each with the derivation that made it."""

from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
from typing import TypeAlias

import torch

from app.common.seeds import generator
from app.grammar.pcfg import PCFG

# A labelled tree: its label and its children, which are trees or words.
Node: TypeAlias = tuple[str, list["Node | str"]]

_BLOCK = 4096  # numbers drawn at once; the numbers do not depend on it, only the speed does


def sample(grammar: PCFG, seed: int) -> Iterator[Node]:
    """Draw one sentence after the other, without end.

    Args:
        grammar: one that `check` accepts, so that every sentence ends.
        seed: what the sentences depend on, beside the grammar; the first n are the same however many are taken.
    """
    sides = {left: [rule.right for rule in rules] for left, rules in grammar.rules.items()}
    bounds = {left: list(accumulate(rule.probability for rule in rules)) for left, rules in grammar.rules.items()}
    draws = _uniform(seed)
    while True:
        root: Node = (grammar.start, [])
        unexpanded = [root]
        while unexpanded:
            left, children = unexpanded.pop()
            # The last bound is left out: whatever rounding made of it, a draw above all others is the last alternative.
            for name, is_word in sides[left][bisect(bounds[left], next(draws), hi=len(bounds[left]) - 1)]:
                if is_word:
                    children.append(name)
                else:
                    child: Node = (name, [])
                    children.append(child)
                    unexpanded.append(child)
        yield root


def _uniform(seed: int) -> Iterator[float]:
    """Numbers in [0, 1), without end."""
    source = generator(seed)
    while True:
        yield from torch.rand(_BLOCK, dtype=torch.float64, generator=source).tolist()


def leaves(tree: Node) -> list[str]:
    """The words of a tree, in order; safe for trees of any depth."""
    words = []
    ahead: list[Node | str] = [tree]
    while ahead:
        node = ahead.pop()
        if isinstance(node, str):
            words.append(node)
        else:
            ahead.extend(reversed(node[1]))
    return words
