from collections import Counter
from itertools import islice
from math import sqrt

import pytest

from app.grammar import sampling
from app.grammar.pcfg import Symbol
from app.grammar.sampling import leaves, sample

SMALL = "S -> A B 'c' [0.5] | A [0.3] | 'c' [0.2]\nA -> 'a' [0.25] | B 'a' [0.75]\nB -> 'b' [0.875] | 'B' [0.125]\n"
RECURSIVE = "S -> S S [0.4] | 'a' [0.6]"


def take(grammar, count: int, *, seed: int = 0) -> list[sampling.Node]:
    return list(islice(sample(grammar, seed), count))


def check_derivation(grammar, node) -> float:
    """A derivation's probability, the product of its rules' probabilities; fails if a node is not a rule."""
    if isinstance(node, str):
        return 1.0
    label, children = node
    right = tuple(Symbol(child, True) if isinstance(child, str) else Symbol(child[0], False) for child in children)
    (probability,) = (rule.probability for rule in grammar.rules[label] if rule.right == right)
    for child in children:
        probability *= check_derivation(grammar, child)
    return probability


def test_derivations_are_as_frequent_as_the_rules_say(read):
    grammar, count = read(SMALL), 10_000
    probabilities = {}
    found = Counter()
    for node in take(grammar, count):
        probabilities[str(node)] = check_derivation(grammar, node)
        found[str(node)] += 1
    assert sum(probabilities.values()) == pytest.approx(1)  # every derivation was met
    assert len(found) == 10
    for key, p in probabilities.items():
        assert abs(found[key] / count - p) < 4.5 * sqrt(p * (1 - p) / count), key


def test_the_mean_length_is_that_of_the_branching_process(read):
    """x = 0.4 * 2x + 0.6, which is 3."""
    lengths = [len(leaves(node)) for node in take(read(RECURSIVE), 5_000)]
    assert sum(lengths) / len(lengths) == pytest.approx(3, abs=0.4)


def test_a_seed_says_everything(read):
    grammar = read(RECURSIVE)
    assert take(grammar, 50) == take(grammar, 200)[:50]
    assert take(grammar, 50) != take(grammar, 50, seed=1)


@pytest.mark.parametrize("block", [1, 7, 100])
def test_how_many_numbers_are_drawn_at_once_does_not_matter(read, monkeypatch, block):
    grammar = read(RECURSIVE)
    expected = take(grammar, 200)
    monkeypatch.setattr(sampling, "_BLOCK", block)
    assert take(grammar, 200) == expected


def test_what_was_taken_belongs_to_the_taker(read):
    first, second = take(read("S -> 'a' [1.0]"), 2)
    first[1].append("b")
    assert second == ("S", ["a"])


def test_deep_derivations_need_no_deep_stack(read):
    grammar = read("S -> 'a' S [0.9997] | 'b' [0.0003]")
    words = max((leaves(node) for node in take(grammar, 5)), key=len)
    assert len(words) > 3_000
    assert words == ["a"] * (len(words) - 1) + ["b"]


def test_leaves_are_in_order():
    assert leaves(("S", [("A", ["a", ("B", ["b", "c"])]), "d", ("E", [("F", ["e"])])])) == list("abcde")
