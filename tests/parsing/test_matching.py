"""Sentences of two files matched by their words, against a plain search."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.parsing.matching import difference, match_words

few = st.lists(st.tuples(st.sampled_from(["a", "A", "b", "12", "345", "N"])), max_size=7)


@given(few, few, st.sampled_from(["words", "lower"]))
def test_each_sentence_takes_the_first_that_is_left(first, second, how) -> None:
    def spelt(words: tuple[str, ...]) -> list[str]:
        return (
            ["N" if word in ("12", "345", "N") else word.lower() for word in words] if how == "lower" else list(words)
        )

    left, pairs = list(range(len(first))), []
    for number, words in enumerate(second):
        same = next((one for one in left if spelt(first[one]) == spelt(words)), None)
        if same is not None:
            left.remove(same)
            pairs.append((same, number))
    found = match_words(first, second, how)
    assert found.pairs == pairs
    assert found.only_first == left
    assert found.only_second == [number for number in range(len(second)) if number not in {other for _, other in pairs}]


def test_numbers_and_case() -> None:
    assert match_words([("nov.", "N.")], [("Nov.", "14.")], "lower").pairs == [(0, 0)]
    for numbers in (("N.N", "N-year"), ("N", "n-year"), ("1.5", "10-Year"), ("N", "N,N-year")):
        assert match_words([("the", *numbers)], [("The", "1,000.25", "3,000-year")], "lower").pairs == [(0, 0)]
    assert match_words([("the",)], [("The",)]).pairs == []
    with pytest.raises(UserError, match="--match is 'order'"):
        match_words([], [], "order")


def test_what_differs() -> None:
    assert difference(("a", "b"), ("a", "c")) == "word 2 is 'b' here and 'c' there"
    assert difference(("a",), ("a", "c")) == "it has 1 words here and 2 there"
