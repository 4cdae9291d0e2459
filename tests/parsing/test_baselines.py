from collections import Counter
from itertools import permutations, product
from random import Random

import pytest
from helpers.needs import DATA, needs_data
from helpers.trees import is_binary, leaves, spans, trees, zigzag
from hypothesis import given

from app.parsing import BASELINES, BUILDERS, GoldSentence, baseline_trees, build_tree, score
from app.parsing.baselines import balanced, binary_oracle, left_branching, random_depths, random_merges, right_branching
from app.parsing.brackets import brackets
from app.parsing.trees import OPEN, tokens

# In percent: sentence_f1, sentence_f1_kim, corpus_f1, corpus_f1_root of the 3,396 sentences of NLTK's sample, then
# the tolerance for random trees.
ALL = {
    "right-branching": ((39.9, 39.7, 35.6, 39.2), 0.1),
    "left-branching": ((8.7, 8.4, 6.3, 11.7), 0.1),
    "balanced": ((24.4, 24.1, 20.6, 25.1), 0.1),
    "random merges": ((18.2, 18.0, 15.5, 20.3), 0.7),
    "random depths": ((20.5, 20.2, 17.1, 21.9), 0.7),
    "binary oracle": ((84.3, 84.3, 84.6, 85.4), 0.1),
}
# The same of its 490 sentences of at most 10 words.
SHORT = {
    "right-branching": ((59.1, 58.1, 55.3, 63.6), 0.1),
    "left-branching": ((19.6, 17.6, 13.3, 29.4), 0.1),
    "balanced": ((43.2, 41.8, 38.1, 49.6), 0.1),
    "binary oracle": ((84.6, 84.2, 85.3, 88.0), 0.1),
}


def sentences(*lengths: int) -> list[GoldSentence]:
    return [GoldSentence(("a",) * words, zigzag(words)) for words in lengths]


@pytest.mark.parametrize(
    ("words", "left", "right", "halved"),
    [
        (1, 0, 0, 0),
        (2, (0, 1), (0, 1), (0, 1)),
        (3, ((0, 1), 2), (0, (1, 2)), (0, (1, 2))),
        (4, (((0, 1), 2), 3), (0, (1, (2, 3))), ((0, 1), (2, 3))),
        (5, ((((0, 1), 2), 3), 4), (0, (1, (2, (3, 4)))), ((0, 1), (2, (3, 4)))),
    ],
)
def test_by_hand(words, left, right, halved):
    gold = sentences(words)
    for name, function, tree in (
        ("left-branching", left_branching, left),
        ("right-branching", right_branching, right),
        ("balanced", balanced, halved),
    ):
        assert function(words) == tree
        assert baseline_trees(name, gold) == [tree]


@given(trees)
def test_the_oracle_is_binary_and_keeps_every_bracket(tree):
    oracle = binary_oracle(tree)
    assert is_binary(oracle)
    assert leaves(oracle) == leaves(tree)
    assert brackets(oracle) >= set(spans(tree))


def test_the_oracle_splits_to_the_right():
    assert binary_oracle(((0, 1, 2), 3, (4, 5, 6))) == ((0, (1, 2)), (3, (4, (5, 6))))


class Scripted(Random):
    """A random number generator that returns given numbers."""

    def __init__(self, draws: tuple[int, ...]) -> None:
        super().__init__()
        self.draws = iter(draws)

    def randrange(self, *limits: int) -> int:
        draw = next(self.draws)
        assert 0 <= draw < limits[0]
        return draw


@pytest.mark.parametrize("words", [3, 4, 5, 6])
def test_random_merges_is_what_between_words_makes_of_independent_distances(words):
    merged = Counter(
        random_merges(words, Scripted(draws)) for draws in product(*(range(left) for left in range(words - 1, 0, -1)))
    )
    split = Counter(build_tree((0, *order), "between_words") for order in permutations(range(words - 1)))
    assert merged == split


def shares(tree, words: int) -> list[float]:
    """The fractions of a tree's inner brackets that are in the right- and in the left-branching tree."""
    inner = brackets(tree) - {(0, words)}
    return [len(inner & brackets(other(words))) / len(inner) for other in (right_branching, left_branching)]


# Fractions of brackets shared with right-branching and left-branching trees of 10 words.
@pytest.mark.parametrize(("builder", "expected"), [("shen2018", (0.357, 0.174)), ("between_words", (0.225, 0.228))])
def test_random_depths_lean_as_their_builder_does(builder, expected):
    draw = Random(0)
    drawn = [shares(random_depths(10, draw, builder=builder), 10) for _ in range(2_000)]
    means = [sum(column) / len(drawn) for column in zip(*drawn, strict=True)]
    assert means == pytest.approx(expected, abs=0.02)


def test_shen2018_makes_three_words_right_branching_two_times_in_three():
    draw = Random(0)
    right = sum(random_depths(3, draw) == (0, (1, 2)) for _ in range(3_000))
    assert right / 3_000 == pytest.approx(2 / 3, abs=0.03)
    assert set(BUILDERS) == {"shen2018", "between_words"}


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_is_a_binary_tree_over_the_words(name):
    gold = sentences(1, 2, 3, 9, 30)
    found = baseline_trees(name, gold)
    assert all(map(is_binary, found))
    assert list(map(leaves, found)) == [list(range(len(sentence.words))) for sentence in gold]


@pytest.mark.parametrize("name", BASELINES)
def test_a_long_sentence_does_not_overflow_the_stack(name):
    (tree,) = baseline_trees(name, sentences(2_000))
    assert list(tokens(tree)).count(OPEN) == 1_999


@pytest.mark.parametrize("name", BASELINES)
def test_draws_depend_on_the_seed_alone(name):
    gold = sentences(*[12] * 5)
    drawn = baseline_trees(name, gold, seed=3)
    assert baseline_trees(name, gold, seed=3) == drawn
    assert baseline_trees(name, gold[:2], seed=3) == drawn[:2]
    is_random = name.startswith("random")
    assert (baseline_trees(name, gold, seed=4) != drawn) == is_random
    assert (len(set(drawn)) > 1) == is_random


@pytest.fixture(scope="module")
def sample() -> list[GoldSentence]:
    from app.parsing.treebank import read_treebank

    return read_treebank(DATA / "treebank").splits["sample"]


@needs_data("treebank")
@pytest.mark.parametrize(
    ("name", "max_words", "sentences", "expected", "tolerance"),
    [
        *((name, None, 3_396, *figures) for name, figures in ALL.items()),
        *((name, 10, 490, *figures) for name, figures in SHORT.items()),
    ],
)
def test_the_known_figures_of_the_sample(sample, name, max_words, sentences, expected, tolerance):
    scores = score(baseline_trees(name, sample), sample, max_words=max_words)
    assert scores.sentences == sentences
    measured = (scores.sentence_f1, scores.sentence_f1_kim, scores.corpus_f1, scores.corpus_f1_root)
    assert [100 * value for value in measured] == pytest.approx(expected, abs=tolerance)
