"""Recall and F1 by label and length, against plain loops over the sentences."""

from statistics import fmean

import pytest
from helpers.trees import pairs, spans
from hypothesis import given
from hypothesis import strategies as st

from app.parsing import GoldSentence, score
from app.parsing.brackets import words_in
from app.parsing.breakdown import by_label, by_length, by_sentence_length


def sentences(several):
    """Gold sentences whose constituents are labelled by their length."""
    return [
        GoldSentence(
            ("a",) * words_in(gold), gold, tuple((f"X{end - start}-SBJ", start, end) for start, end in spans(gold))
        )
        for _, gold in several
    ]


@given(st.lists(pairs, min_size=1, max_size=6))
def test_labels_have_the_recall_of_the_scores(several) -> None:
    predicted, gold = [tree for tree, _ in several], sentences(several)
    found = by_label(predicted, gold)
    assert {label: each.recall for label, each in found.items()} == score(predicted, gold).recall
    totals = [each.total for each in found.values()]
    assert totals == sorted(totals, reverse=True)


GROUPS = {"2": (2, 2), "3": (3, 3), "4-5": (4, 5), "6-10": (6, 10)}


@given(st.lists(pairs, min_size=1, max_size=6))
def test_lengths_share_out_the_brackets(several) -> None:
    found = by_length([tree for tree, _ in several], sentences(several))
    for name, (first, last) in GROUPS.items():
        inside = [
            (start, end) in spans(tree)
            for tree, gold in several
            for start, end in spans(gold)[1:]
            if first <= end - start <= last
        ]
        if inside:
            assert (found[name].found, found[name].total) == (sum(inside), len(inside))
        else:
            assert name not in found
    assert set(found) <= set(GROUPS)


def test_sentences_by_their_length() -> None:
    def right(words: int):
        tree = words - 1
        for word in reversed(range(words - 1)):
            tree = (word, tree)
        return tree

    lengths = [1, 10, 11, 30, 50, 60]
    gold = [GoldSentence(("a",) * length, right(length)) for length in lengths]
    predicted = [tuple(range(10)) if length == 10 else right(length) for length in lengths]
    found = by_sentence_length(predicted, gold)
    assert {name: each.sentences for name, each in found.items()} == {
        "1-10": 2,
        "11-20": 1,
        "21-30": 1,
        "41 and more": 2,
    }
    assert found["1-10"].sentence_f1 == pytest.approx(1 / 2)
    whole = fmean(each.sentence_f1 for each in found.values() for _ in range(each.sentences))
    assert whole == pytest.approx(score(predicted, gold).sentence_f1)
