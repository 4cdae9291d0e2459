import math
from itertools import permutations

import numpy as np
import pytest
import torch
from helpers.trees import binary_trees, leaves, spell
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.parsing import BUILDERS, Tree, build_tree
from app.parsing.trees import OPEN, tokens

CATALAN = {3: 2, 4: 5, 5: 14, 6: 42, 7: 132, 8: 429}
REACHED = {3: 2, 4: 5, 5: 13, 6: 35, 7: 97, 8: 275}


def shen2018(distances: list[float], words: list[int]) -> Tree:
    """The definition, step by step."""
    i = int(np.argmax(distances))
    parts: list[Tree] = []
    if i > 0:
        parts.append(shen2018(distances[:i], words[:i]))
    right: Tree = words[i]
    if i + 1 < len(words):
        right = (words[i], shen2018(distances[i + 1 :], words[i + 1 :]))
    return (parts[0], right) if parts else right


def between_words(distances: list[float], words: list[int]) -> Tree:
    if len(words) == 1:
        return words[0]
    i = int(np.argmax(distances[1:])) + 1
    return between_words(distances[:i], words[:i]), between_words(distances[i:], words[i:])


REFERENCE = {"shen2018": shen2018, "between_words": between_words}


@pytest.mark.parametrize("builder", BUILDERS)
@given(distances=st.lists(st.integers(0, 4) | st.floats(allow_nan=False), min_size=1, max_size=30))
def test_agrees_with_the_definition_ties_and_all(builder, distances):
    assert build_tree(distances, builder) == REFERENCE[builder](distances, list(range(len(distances))))


@pytest.mark.parametrize("words", REACHED)
def test_shen2018_reaches_just_the_trees_without_close_open_open(words):
    reached = {build_tree(order) for order in permutations(range(words))}
    assert len(reached) == REACHED[words]
    assert reached == {tree for tree in binary_trees(0, words) if ")((" not in spell(tree)}


@pytest.mark.parametrize("words", CATALAN)
def test_between_words_reaches_every_tree(words):
    reached = {build_tree((0, *order), "between_words") for order in permutations(range(words - 1))}
    assert len(reached) == CATALAN[words]
    assert reached == set(binary_trees(0, words))


@pytest.mark.parametrize(
    ("distances", "by_shen2018", "by_between_words"),
    [
        ([0.2, 0.9, 0.1, 0.5], (0, (1, (2, 3))), (0, ((1, 2), 3))),
        ([0.9, 0.1, 0.5, 0.2], (0, (1, (2, 3))), ((0, 1), (2, 3))),
        ([0.1, 0.4, 0.9, 0.2, 0.3], ((0, 1), (2, (3, 4))), ((0, 1), ((2, 3), 4))),
        ([0.5, 0.5, 0.5], (0, (1, 2)), (0, (1, 2))),
        ([0.1, 0.2], (0, 1), (0, 1)),
    ],
)
def test_by_hand(distances, by_shen2018, by_between_words):
    assert build_tree(distances) == build_tree(distances, "shen2018") == by_shen2018
    assert build_tree(distances, "between_words") == by_between_words


@pytest.mark.parametrize("builder", BUILDERS)
def test_one_word_is_its_index(builder):
    assert build_tree([0.3], builder) == 0


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize("kind", [np.array, torch.tensor, tuple])
def test_takes_what_holds_numbers(builder, kind):
    distances = [0.1, 0.7, 0.3, 0.5]
    tree = build_tree(kind(distances), builder)
    assert tree == build_tree(distances, builder)
    assert {type(leaf) for leaf in leaves(tree)} == {int}


@pytest.mark.parametrize("builder", BUILDERS)
def test_a_long_sentence_does_not_overflow_the_stack(builder):
    words = 5_000
    for distances in (range(words), range(words, 0, -1), [0.0] * words):
        tree = list(tokens(build_tree(distances, builder)))
        assert tree.count(OPEN) == words - 1
        assert [token for token in tree if isinstance(token, int)] == list(range(words))


@pytest.mark.parametrize("builder", BUILDERS)
def test_what_cannot_be_built_is_told(builder):
    with pytest.raises(UserError, match="at least one word"):
        build_tree([], builder)
    with pytest.raises(UserError, match="distance of word 2 of 3 is nan"):
        build_tree([0.1, math.nan, 0.2], builder)


def test_an_unknown_builder_is_told_with_those_there_are():
    with pytest.raises(UserError, match="builder is 'shen2017'; expected one of shen2018, between_words"):
        build_tree([0.1, 0.2], "shen2017")
