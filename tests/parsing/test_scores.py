import math
from statistics import fmean

import pytest
from helpers.trees import binary_trees, depths, leaves, pairs, spans, trees, zigzag
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.parsing import GoldSentence, Tree, score
from app.parsing.baselines import binary_oracle

FLAT = tuple(range(5))


def sentence(tree: Tree, *constituents: tuple[str, int, int]) -> GoldSentence:
    return GoldSentence(tuple("abcdefghijkl"[leaf] for leaf in leaves(tree)), tree, constituents)


def score_pairs(several, **options):
    return score([predicted for predicted, _ in several], [sentence(gold) for _, gold in several], **options)


def script(predicted: Tree, gold: Tree) -> float:
    """F1 of one sentence by the steps of the authors' script: brackets of children alone, and its corner cases."""
    found, right = (
        {span for child in tree for span in spans(child)} if isinstance(tree, tuple) else set()
        for tree in (predicted, gold)
    )
    precision = len(found & right) / (len(found) + 1e-8)
    recall = len(found & right) / (len(right) + 1e-8)
    if not right:
        recall = 1.0
        if not found:
            precision = 1.0
    return 2 * precision * recall / (precision + recall + 1e-8)


def corpus(several, *, root: bool) -> float:
    """F1 from precision and recall of one list of brackets for all sentences."""
    found, right = (
        [(number, *span) for number, pair in enumerate(several) for span in spans(pair[side])[0 if root else 1 :]]
        for side in (0, 1)
    )
    if not found and not right:
        return math.nan
    shared = len([span for span in found if span in right])
    if shared == 0:
        return 0.0
    precision, recall = shared / len(found), shared / len(right)
    return 2 * precision * recall / (precision + recall)


def mean(values) -> float:
    present = list(values)
    return fmean(present) if present else math.nan


def close(value: float):
    return pytest.approx(value, abs=1e-6, nan_ok=True)


@given(st.lists(pairs, min_size=1, max_size=6))
def test_every_measure_agrees_with_its_definition(several):
    scores = score_pairs(several)
    assert scores.sentences == len(several)
    assert scores.sentence_f1 == close(mean(script(*pair) for pair in several))
    assert scores.sentence_f1_kim == close(mean(script(*pair) for pair in several if len(leaves(pair[1])) > 1))
    assert scores.corpus_f1 == close(corpus(several, root=False))
    assert scores.corpus_f1_root == close(corpus(several, root=True))
    assert scores.depth == close(mean(fmean(depths(predicted)) for predicted, _ in several))


@given(st.lists(pairs, min_size=1, max_size=6), st.integers(1, 9))
def test_a_limit_is_the_same_as_leaving_sentences_out(several, limit):
    short = [pair for pair in several if len(leaves(pair[1])) <= limit]
    assert repr(score_pairs(several, max_words=limit)) == repr(score_pairs(short))


@given(st.lists(pairs, min_size=1, max_size=6))
def test_f1_does_not_care_which_side_is_gold(several):
    ours, theirs = score_pairs(several), score_pairs([(gold, predicted) for predicted, gold in several])
    for measure in ("sentence_f1", "sentence_f1_kim", "corpus_f1", "corpus_f1_root"):
        assert getattr(ours, measure) == close(getattr(theirs, measure))


@given(trees)
def test_a_tree_agrees_with_itself(tree):
    scores = score_pairs([(tree, tree)])
    several = len(leaves(tree)) > 1
    assert scores.sentence_f1 == 1
    assert scores.sentence_f1_kim == close(1 if several else math.nan)
    assert scores.corpus_f1_root == close(1 if several else math.nan)
    assert scores.corpus_f1 == close(1 if len(spans(tree)) > 1 else math.nan)


# Predicted, gold; then sentence_f1, sentence_f1_kim, corpus_f1, corpus_f1_root.
BY_HAND = {
    "one word": ((0, 0), (1, math.nan, math.nan, math.nan)),
    "two words": (((0, 1), (0, 1)), (1, 1, math.nan, 1)),
    "no bracket on either side": (((0, 1, 2), (0, 1, 2)), (1, 1, math.nan, 1)),
    "flat gold, which no binary tree agrees with": (((0, (1, 2)), (0, 1, 2)), (0, 0, 0, 2 / 3)),
    "flat prediction": (((0, 1, 2), (0, (1, 2))), (0, 0, 0, 2 / 3)),
    "two of three": (((0, (1, (2, (3, 4)))), ((0, 1), (2, (3, 4)))), (2 / 3, 2 / 3, 2 / 3, 3 / 4)),
    "one of three, gold with one": (((0, (1, (2, (3, 4)))), (0, 1, 2, (3, 4))), (1 / 2, 1 / 2, 1 / 2, 2 / 3)),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_by_hand(case):
    pair, expected = BY_HAND[case]
    scores = score_pairs([pair])
    measured = (scores.sentence_f1, scores.sentence_f1_kim, scores.corpus_f1, scores.corpus_f1_root)
    assert measured == pytest.approx(expected, nan_ok=True)


def test_sentences_of_one_word_raise_the_mean_of_the_script_alone():
    pair = ((0, (1, 2)), ((0, 1), 2))
    alone, joined = score_pairs([pair]), score_pairs([pair, (0, 0)])
    assert (alone.sentence_f1, joined.sentence_f1) == (0, 0.5)
    assert (joined.sentence_f1_kim, joined.corpus_f1) == (alone.sentence_f1_kim, alone.corpus_f1) == (0, 0)
    assert joined.corpus_f1_root == alone.corpus_f1_root == 1 / 2
    assert (alone.depth, joined.depth) == (5 / 3, 5 / 6)


def test_long_sentences_weigh_more_in_the_corpus_than_in_the_mean():
    right = ((0, (1, 2)), (0, (1, 2)))
    wrong = ((0, (1, (2, (3, 4)))), ((((0, 1), 2), 3), 4))
    scores = score_pairs([right, wrong])
    assert scores.sentence_f1 == 1 / 2
    assert scores.corpus_f1 == 1 / 4


def test_recall_by_label():
    gold = [
        sentence(
            ((0, 1), (2, (3, 4))),
            *[("NP-SBJ", 0, 2), ("NP", 0, 2), ("NP=2", 3, 5), ("VP", 2, 5), ("S", 0, 5), ("X-1", 0, 5)],
        ),
        sentence(((0, 1), 2), ("NP", 0, 2), ("-X-", 0, 3)),
        sentence(0),
    ]
    # In the first sentence NP over NP is one constituent, found, and the other NP is not. -X- is not cut, because that
    # would leave nothing.
    scores = score([((0, 1), ((2, 3), 4)), (0, (1, 2)), 0], gold)
    assert scores.recall == {"-X-": 1, "NP": 1 / 3, "S": 1, "VP": 1, "X": 1}
    assert list(scores.recall) == sorted(scores.recall)
    assert score([0], gold[2:]).recall == {}


@pytest.mark.parametrize("gold", [FLAT, ((0, 1, 2), 3, 4), (0, (1, (2, 3)), 4), ((0, 1), (2, 3, 4)), (0, (1, 2, 3, 4))])
def test_no_binary_tree_beats_the_oracle(gold):
    best = score_pairs([(binary_oracle(gold), gold)])
    for tree in binary_trees(0, 5):
        other = score_pairs([(tree, gold)])
        assert other.sentence_f1 <= best.sentence_f1
        assert other.corpus_f1_root <= best.corpus_f1_root


@given(trees)
def test_the_oracle_finds_every_constituent(tree):
    gold = sentence(tree, *(("X", start, end) for start, end in spans(tree)))
    assert score([binary_oracle(tree)], [gold]).recall == ({"X": 1} if len(gold.words) > 1 else {})


def test_nothing_to_score_has_no_mean():
    scores = score([(0, (1, 2))], [sentence((0, (1, 2)))], max_words=2)
    assert scores.sentences == 0
    assert scores.recall == {}
    for measure in ("sentence_f1", "sentence_f1_kim", "corpus_f1", "corpus_f1_root", "depth"):
        assert math.isnan(getattr(scores, measure))


def test_a_deep_tree_is_scored():
    tree = zigzag(3_000)
    assert score([tree], [GoldSentence(("a",) * 3_000, tree)]).corpus_f1 == 1


def test_other_sentences_are_refused():
    gold = [sentence((0, 1)), sentence((0, (1, 2)))]
    with pytest.raises(UserError, match="1 trees were predicted for 2 sentences"):
        score([(0, 1)], gold)
    with pytest.raises(UserError, match="sentence 2: its predicted tree is over 2 words, but it has 3"):
        score([(0, 1), (0, 1)], gold)
    with pytest.raises(UserError, match="sentence 1: its gold tree is over 2 words, but it has 1"):
        score([0], [GoldSentence(("a",), (0, 1))])
