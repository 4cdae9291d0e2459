import pytest
from helpers.trees import leaves, pairs, spans, spell, trees, zigzag
from hypothesis import given

from app.parsing.brackets import Overlap, brackets, overlap, words_in
from app.parsing.trees import CLOSE, OPEN, from_tokens, tokens


@given(trees)
def test_brackets_are_the_spans_of_all_nodes(tree):
    assert brackets(tree) == set(spans(tree))


@given(trees)
def test_words_are_counted(tree):
    assert words_in(tree) == len(leaves(tree))


@given(trees)
def test_tokens_spell_the_tree_and_are_read_back(tree):
    assert "".join(token if isinstance(token, str) else "." for token in tokens(tree)) == spell(tree)
    assert [token for token in tokens(tree) if isinstance(token, int)] == leaves(tree)
    assert from_tokens(tokens(tree)) == tree


@pytest.mark.parametrize(
    ("tree", "found"),
    [
        (0, set()),
        ((0, 1), {(0, 2)}),
        ((0, 1, 2), {(0, 3)}),
        (((0, 1), (2, (3, 4))), {(0, 5), (0, 2), (2, 5), (3, 5)}),
        ((0,), set()),
        (((0, 1),), {(0, 2)}),
    ],
)
def test_by_hand(tree, found):
    assert brackets(tree) == found


def test_a_deep_tree_does_not_overflow_the_stack():
    tree = zigzag(3_000)
    assert words_in(tree) == 3_000
    assert len(brackets(tree)) == 2_999
    assert list(tokens(from_tokens(tokens(tree)))) == list(tokens(tree))
    assert list(tokens(tree)).count(OPEN) == list(tokens(tree)).count(CLOSE) == 2_999


@given(pairs)
def test_overlap_is_counted_bracket_by_bracket(pair):
    one, other = (set(spans(tree)) for tree in pair)
    counted = overlap(one, other)
    assert counted.shared == sum(span in other for span in one)
    assert (counted.predicted, counted.gold) == (len(one), len(other))
    assert overlap(other, one) == Overlap(counted.shared, counted.gold, counted.predicted)


def test_overlaps_add_up_and_f1_is_the_harmonic_mean():
    total = Overlap(1, 2, 3) + Overlap(2, 4, 3)
    assert total == Overlap(3, 6, 6)
    precision, recall = 3 / 6, 3 / 8
    assert Overlap(3, 6, 8).f1 == pytest.approx(2 * precision * recall / (precision + recall))
    assert Overlap(0, 2, 0).f1 == 0
    with pytest.raises(ZeroDivisionError):
        _ = Overlap(0, 0, 0).f1
