"""Trees by agreement, against every binary tree there is."""

from functools import cache
from statistics import fmean

import pytest
from helpers.trees import seeds, some_tree
from hypothesis import given, settings
from hypothesis import strategies as st

from app.common.errors import UserError
from app.parsing.agreement import agreed_tree, best_voters, self_f1
from app.parsing.brackets import brackets, overlap, words_in
from app.parsing.scores import score, sentence_f1
from app.parsing.trees import GoldSentence, Tree


@cache
def every_tree(start: int, end: int) -> list[Tree]:
    """All binary trees over words."""
    if end - start == 1:
        return [start]
    return [
        (left, right)
        for split in range(start + 1, end)
        for left in every_tree(start, split)
        for right in every_tree(split, end)
    ]


@st.composite
def votes(draw: st.DrawFn) -> list[Tree]:
    words = draw(st.integers(1, 7))
    return draw(st.lists(st.sampled_from(every_tree(0, words)), min_size=1, max_size=6))


def mean_f1(tree: Tree, trees: list[Tree]) -> float:
    words = words_in(tree)
    found = brackets(tree) - {(0, words)}
    others = [brackets(other) - {(0, words)} for other in trees]
    return fmean(overlap(found, other).f1 if found or other else 1.0 for other in others)


@given(votes())
@settings(max_examples=150)
def test_no_binary_tree_has_a_higher_mean_f1(trees: list[Tree]) -> None:
    found = agreed_tree(trees)
    every = every_tree(0, words_in(trees[0]))
    assert found in every
    assert mean_f1(found, trees) == pytest.approx(max(mean_f1(tree, trees) for tree in every))


def test_one_tree_agrees_with_itself_and_no_votes_give_a_balanced_tree() -> None:
    tree = ((0, (1, 2)), (3, 4))
    assert agreed_tree([tree]) == tree
    assert agreed_tree([(0, 1, 2, 3)]) == ((0, 1), (2, 3))
    assert agreed_tree([(0, 1, 2)]) == (0, (1, 2))


def test_a_long_sentence_does_not_recurse() -> None:
    right: Tree = 299
    for word in range(298, -1, -1):
        right = (word, right)
    assert agreed_tree([right, right]) == right


@given(st.lists(votes().map(lambda trees: trees[0]), min_size=1, max_size=5), st.data())
def test_self_f1_is_that_of_scores(first: list[Tree], data: st.DataObject) -> None:
    second = [data.draw(st.sampled_from(every_tree(0, words_in(tree)))) for tree in first]
    third = [data.draw(st.sampled_from(every_tree(0, words_in(tree)))) for tree in first]

    def f1(ours: list[Tree], theirs: list[Tree]) -> float:
        return score(ours, [GoldSentence(("w",) * words_in(tree), tree) for tree in theirs]).sentence_f1

    pairs = [f1(first, second), f1(first, third), f1(second, third)]
    assert self_f1([first, second, third]) == pytest.approx(fmean(pairs))


def test_what_cannot_agree_is_refused() -> None:
    with pytest.raises(UserError, match="no trees"):
        agreed_tree([])
    with pytest.raises(UserError, match="different numbers of words"):
        agreed_tree([(0, 1), 0])


def test_the_best_voters_are_those_of_the_best_agreement() -> None:
    gold: list[Tree] = [((0, 1), (2, 3)), (0, (1, (2, 3))), ((0, (1, 2)), 3)]
    wrong: list[Tree] = [(((0, 1), 2), 3), (((0, 1), 2), 3), (0, ((1, 2), 3))]
    one, two, three = ([*gold[:at], wrong[at], *gold[at + 1 :]] for at in range(3))  # each wrong in another place
    assert best_voters([wrong, one, wrong, two, three, wrong], gold) == [1, 4, 3]
    assert best_voters([wrong, gold, one], gold) == [1]


@given(st.lists(st.tuples(seeds, seeds, seeds, seeds), min_size=1, max_size=4), st.integers(2, 8))
def test_voters_are_a_prefix_of_the_best_by_brute_force(several, words: int) -> None:
    *predictions, gold = ([some_tree(words, each[number]) for each in several] for number in range(4))

    def f1(numbers) -> float:
        voters = [predictions[number] for number in numbers]
        trees = voters[0] if len(voters) == 1 else [agreed_tree(each) for each in zip(*voters, strict=True)]
        return fmean(sentence_f1(ours, theirs) for ours, theirs in zip(trees, gold, strict=True))

    chosen = best_voters(predictions, gold)
    ranked = sorted(range(3), key=lambda number: -f1([number]))
    assert chosen == ranked[: len(chosen)]
    assert f1(chosen) == max(f1(ranked[:most]) for most in (1, 2, 3))
