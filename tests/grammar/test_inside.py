from collections import defaultdict
from itertools import islice
from math import exp, lgamma, log

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.common.errors import UserError
from app.grammar import inside as module
from app.grammar.inside import Inside
from app.grammar.pcfg import PCFG
from app.grammar.sampling import leaves, sample

AMBIGUOUS = """
S -> NP VP [0.9] | PP NP VP [0.1]
NP -> 'the' N [0.5] | NP PP [0.2] | N [0.3]
VP -> V NP [0.6] | VP PP [0.3] | V NP PP [0.1]
PP -> 'in' NP [1.0]
N -> 'dog' [0.5] | 'park' [0.3] | V [0.2]
V -> 'sees' [0.7] | 'park' [0.3]
"""
CYCLIC = """
S -> A [0.3] | S [0.2] | A S 'x' [0.1] | 'a' [0.4]
A -> B [0.5] | 'a' [0.25] | 'b' 'b' [0.25]
B -> A [0.6] | S [0.1] | 'b' [0.3]
"""
MIXED = "S -> 'a' S 'b' S [0.25] | 'a' 'b' [0.5] | S_b 'a' [0.25]\nS_b -> 'a' [0.5] | 'b' [0.5]"
FINITE = """
S -> A A [0.5] | A B A [0.3] | B [0.2]
A -> 'a' [0.5] | B [0.25] | B B [0.25]
B -> 'a' [0.25] | 'b' [0.25] | C [0.5]
C -> 'b' [0.5] | 'a' 'b' [0.5]
"""


def languages(grammar: PCFG, longest: int) -> dict[str, dict[tuple[str, ...], float]]:
    """For each category every string up to a length in words, with its probability.

    The least solution of L(A) = sum over rules of p * L(right side), by going through the equations until nothing
    moves: derivations are summed from the shallow ones to the deep ones, with no chart and no binary rules.
    """
    known: dict[str, dict[tuple[str, ...], float]] = {left: {} for left in grammar.rules}
    while True:
        new = {}
        for left, rules in grammar.rules.items():
            new[left] = defaultdict(float)
            for rule in rules:
                strings = {(): rule.probability}
                for name, is_word in rule.right:
                    longer = defaultdict(float)
                    for begin, p in strings.items():
                        for end, q in ({(name,): 1.0} if is_word else known[name]).items():
                            if len(begin) + len(end) <= longest:
                                longer[begin + end] += p * q
                    strings = longer
                for string, p in strings.items():
                    new[left][string] += p
        if all(abs(p - known[left].get(string, 0)) < 1e-17 for left in new for string, p in new[left].items()):
            return new
        known = new


def all_strings(words: tuple[str, ...], longest: int) -> list[tuple[str, ...]]:
    strings: list[tuple[str, ...]] = [()]
    for string in strings:
        if len(string) < longest:
            strings += [(*string, word) for word in words]
    return strings


def compare(grammar: PCFG, longest: int) -> float:
    """Compare with all strings up to some length, including impossible ones; returns their total probability."""
    expected = languages(grammar, longest)[grammar.start]
    strings = all_strings(grammar.words, longest)
    found = Inside(grammar).log_probabilities(strings)
    assert found.dtype == np.float64
    for string, value in zip(strings, found, strict=True):
        if string in expected:
            assert value == pytest.approx(log(expected[string]), abs=1e-12), string
        else:
            assert value == -np.inf, string
    return float(np.exp(found).sum())


@pytest.mark.parametrize(
    ("text", "longest"), [(AMBIGUOUS, 5), (CYCLIC, 5), (MIXED, 8), ("S -> 'a' [0.5] | 'b' [0.5]", 3)]
)
def test_agrees_with_the_sum_over_all_derivations(read, text, longest):
    compare(read(text), longest)


def test_the_strings_of_a_finite_language_have_a_probability_of_one_together(read):
    assert compare(read(FINITE), 10) == pytest.approx(1, abs=1e-14)


symbol = st.sampled_from(["S", "A", "B", "'a'", "'b'"])
weights = st.dictionaries(st.lists(symbol, min_size=1, max_size=3).map(" ".join), st.integers(1, 5), max_size=4)


@given(weights=st.lists(weights, min_size=3, max_size=3))
@settings(max_examples=50)
def test_random_grammars_agree_with_the_sum_over_all_derivations(read, weights):
    text = ""
    for left, random, fixed in zip("SAB", weights, ({"A 'b' B": 1}, {}, {}), strict=True):
        alternatives = {"'a'": 12, **random, **fixed}
        total = sum(alternatives.values())
        text += "".join(f"{left} -> {right} [{weight / total:.9f}]\n" for right, weight in alternatives.items())
    try:
        grammar = read(text)
    except UserError as error:
        assume("recurs too often" not in str(error))
        raise
    compare(grammar, 3)


@pytest.mark.parametrize("length", [1, 2, 7, 150])
def test_long_sentences_do_not_vanish(read, length):
    """A Catalan number of derivations, each with a probability of exp(-1000) or less for long sentences."""
    p, q = 0.4, 0.001
    text = f"S -> S S [{p}] | 'a' [{q}] | 'b' [{1 - p - q:.3f}]"
    catalan = lgamma(2 * length - 1) - lgamma(length) - lgamma(length + 1)
    expected = catalan + (length - 1) * log(p) + length * log(q)
    assert length < 150 or exp(expected) == 0
    assert Inside(read(text)).log_probabilities([["a"] * length]) == pytest.approx(expected, rel=1e-12)


def test_cells_without_a_derivation_leave_the_others_alone(read):
    grammar = read("S -> 'a' T [1.0]\nT -> 'b' 'c' 'd' [0.5] | 'b' [0.5]")
    found = Inside(grammar).log_probabilities(
        [list("abcd"), list("abc"), list("ab"), list("dcba"), ["a", "x"], [], ["b"]]
    )
    assert found == pytest.approx([log(0.5), -np.inf, log(0.5), -np.inf, -np.inf, -np.inf, -np.inf])


def test_neither_the_order_nor_the_number_at_once_matters(read, monkeypatch):
    grammar = read(AMBIGUOUS)
    sentences = [leaves(node) for node in islice(sample(grammar, 0), 60)]
    expected = Inside(grammar).log_probabilities(sentences)
    assert np.isfinite(expected).all()
    assert len(set(expected)) > 20
    assert Inside(grammar).log_probabilities(sentences[::-1]) == pytest.approx(expected[::-1], abs=1e-12)
    monkeypatch.setattr(module, "_CHART_NUMBERS", 1)
    assert Inside(grammar).log_probabilities(iter(sentences)) == pytest.approx(expected, abs=1e-12)


def test_no_sentence_has_no_probability(read):
    assert Inside(read(AMBIGUOUS)).log_probabilities([]).shape == (0,)
