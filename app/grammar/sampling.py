"""Samples sentences from a grammar, each as its derivation tree."""

from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
from typing import TypeAlias

import torch

from app.common.seeds import generator
from app.grammar.pcfg import PCFG

# A labelled tree: (label, children), where a child is a tree or a word.
Node: TypeAlias = tuple[str, list["Node | str"]]

_BLOCK = 4096  # random numbers generated at once; affects only the speed, not the numbers


def sample(grammar: PCFG, seed: int) -> Iterator[Node]:
    """Sample sentences without end.

    Args:
        grammar: one that `check` accepts, so that every sentence is finite.
        seed: of the random numbers; the first n sentences are the same however many are taken.
    """
    sides = {left: [rule.right for rule in rules] for left, rules in grammar.rules.items()}
    bounds = {left: list(accumulate(rule.probability for rule in rules)) for left, rules in grammar.rules.items()}
    draws = _uniform(seed)
    while True:
        root: Node = (grammar.start, [])
        unexpanded = [root]
        while unexpanded:
            left, children = unexpanded.pop()
            # Without the last bound, which may round to less than 1: a number above all others takes the last rule.
            for name, is_word in sides[left][bisect(bounds[left], next(draws), hi=len(bounds[left]) - 1)]:
                if is_word:
                    children.append(name)
                else:
                    child: Node = (name, [])
                    children.append(child)
                    unexpanded.append(child)
        yield root


def _uniform(seed: int) -> Iterator[float]:
    """Uniform random numbers in [0, 1), without end."""
    source = generator(seed)
    while True:
        yield from torch.rand(_BLOCK, dtype=torch.float64, generator=source).tolist()


def leaves(tree: Node) -> list[str]:
    """The words of a tree in order; without recursion, so safe for trees of any depth."""
    words = []
    ahead: list[Node | str] = [tree]
    while ahead:
        node = ahead.pop()
        if isinstance(node, str):
            words.append(node)
        else:
            ahead.extend(reversed(node[1]))
    return words
