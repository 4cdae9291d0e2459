"""The paired bootstrap, against scipy's, a plain loop and cases that are known."""

from statistics import fmean

import numpy as np
import pytest
from helpers.trees import binary_trees, some_tree
from scipy import stats

from app.common.errors import UserError
from app.parsing import GoldSentence, score
from app.parsing import bootstrap as module
from app.parsing.bootstrap import paired_bootstrap


def some(sentences: int, words: int, seed: int):
    trees = binary_trees(0, words)
    draw = np.random.default_rng(seed)
    return [trees[draw.integers(len(trees))] for _ in range(sentences)]


@pytest.fixture(scope="module")
def drawn():
    """Two predictions, the second partly right, and the gold sentences."""
    gold = some(60, 7, 0)
    first, random = some(60, 7, 1), some(60, 7, 2)
    second = [right if number % 3 == 0 else tree for number, (right, tree) in enumerate(zip(gold, random, strict=True))]
    return first, second, [GoldSentence(("a",) * 7, tree) for tree in gold]


def test_observed_values_are_those_of_the_scores(drawn) -> None:
    first, second, gold = drawn
    found = paired_bootstrap(*drawn, samples=100)
    for name in ("sentence_f1", "corpus_f1"):
        ours, theirs = (getattr(score(trees, gold), name) for trees in (first, second))
        assert found[name].first == pytest.approx(ours)
        assert found[name].second == pytest.approx(theirs)
        assert found[name].difference == pytest.approx(ours - theirs)


def test_the_interval_of_the_mean_is_that_of_scipy(drawn) -> None:
    first, second, gold = drawn
    each = [
        score([ours], [sentence]).sentence_f1 - score([theirs], [sentence]).sentence_f1
        for ours, theirs, sentence in zip(first, second, gold, strict=True)
    ]
    found = paired_bootstrap(*drawn, samples=20_000, seed=1)["sentence_f1"]
    expected = stats.bootstrap(
        (each,), np.mean, n_resamples=20_000, method="percentile", random_state=np.random.default_rng(2)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.003)


def test_samples_are_those_of_a_plain_loop(drawn, monkeypatch) -> None:
    first, second, gold = drawn
    monkeypatch.setattr(module, "_AT_ONCE", 7 * len(gold))  # in blocks that do not divide the samples
    found = paired_bootstrap(*drawn, samples=100, seed=3)
    draw = np.random.default_rng(3)
    differences: dict[str, list[float]] = {"sentence_f1": [], "corpus_f1": []}
    for start in range(0, 100, 7):
        for chosen in draw.integers(len(gold), size=(min(7, 100 - start), len(gold))):
            sample = [gold[number] for number in chosen]
            both = [score([trees[number] for number in chosen], sample) for trees in (first, second)]
            for name, values in differences.items():
                values.append(getattr(both[0], name) - getattr(both[1], name))
    for name, values in differences.items():
        each = found[name]
        assert (each.low, each.high) == pytest.approx(tuple(np.quantile(values, (0.025, 0.975))))
        far = sum(abs(value - each.difference) >= abs(each.difference) - 1e-12 for value in values)
        assert each.p == (far + 1) / 101


def test_the_same_prediction_does_not_differ(drawn) -> None:
    first, _, gold = drawn
    for found in paired_bootstrap(first, first, gold, samples=100).values():
        assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_the_same_difference_in_every_sentence_is_certain() -> None:
    gold = [GoldSentence(("a",) * 4, ((0, 1), (2, 3)))] * 5
    found = paired_bootstrap([((0, 1), (2, 3))] * 5, [(0, (1, (2, 3)))] * 5, gold, samples=200)
    for each in found.values():
        assert (each.first, each.second) == (1, 0.5)
        assert (each.low, each.high) == pytest.approx((0.5, 0.5))
        assert each.p == 1 / 201


def test_two_sentences_of_opposite_difference() -> None:
    """Of four equally likely samples, half are mixed and differ by 0 in the mean."""
    right, wrong = ((0, 1), (2, 3)), (0, (1, (2, 3)))
    gold = [GoldSentence(("a",) * 4, right)] * 2
    found = paired_bootstrap([right, wrong], [wrong, right], gold, samples=4_000, seed=5)["sentence_f1"]
    assert (found.difference, found.low, found.high, found.p) == (0, -0.5, 0.5, 1)


def test_swapping_changes_the_sign_alone(drawn) -> None:
    first, second, gold = drawn
    for one, other in zip(
        paired_bootstrap(first, second, gold, samples=300).values(),
        paired_bootstrap(second, first, gold, samples=300).values(),
        strict=True,
    ):
        assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low))
        assert one.p == other.p


def test_the_seed_decides(drawn) -> None:
    ours = [paired_bootstrap(*drawn, samples=100, seed=seed)["sentence_f1"] for seed in (0, 0, 1)]
    assert ours[0] == ours[1] != ours[2]


def test_sentences_without_brackets_count_as_right() -> None:
    gold = [GoldSentence(("a",), 0), GoldSentence(("a",) * 3, (0, (1, 2)))]
    found = paired_bootstrap([0, (0, (1, 2))], [0, ((0, 1), 2)], gold, samples=100)
    assert found["sentence_f1"].second == fmean((1, 0))


@pytest.mark.parametrize(
    ("trees", "samples", "said"),
    [([0, (0, 1)], 100, "no sentence has a bracket within it"), ([0, some_tree(5, 1)], 99, "--samples is 99")],
)
def test_mistakes(trees, samples, said) -> None:
    gold = [GoldSentence(("a",) * (5 if isinstance(tree, tuple) and len(tree) != 2 else 2), tree) for tree in trees]
    with pytest.raises(UserError, match=said):
        paired_bootstrap(trees, trees, gold, samples=samples)
