import re

import pytest
from helpers.needs import DATA, needs_data
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.common.spelling import MIKOLOV, Spelling, split_words
from app.common.vocabulary import Vocabulary

PENN = Vocabulary(
    [
        *("<eos>", "<unk>", "N", "$", "n't", "'s", "'", "'ll", "do", "ca", "company", "companies", "we", "it", "cost"),
        *("mr.", "10-year", "1990s", "o'brien", "u.s.", "not", "can", "&", "at&t"),
    ]
)
CASED = Vocabulary(["<eos>", "<unk>", "Berlin", "in", "1990", "N", "the", ",", ".", "?", "``", "''", "-LRB-", "don't"])


def test_the_spelling_is_that_of_the_words():
    assert PENN.spelling == MIKOLOV
    assert CASED.spelling == Spelling(lower_case=False, numbers=False, contractions=False)
    assert Vocabulary(["<eos>", "katze"]).spelling == Spelling(lower_case=True, numbers=False, contractions=False)


@needs_data("penn")
def test_mikolovs_text_has_the_spelling_of_its_name():
    assert Spelling.of((DATA / "penn" / "ptb.train.txt").read_text().split()) == MIKOLOV


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("They don't cost $1.5", "they do n't cost $ N"),
        ("the company's, companies' and we'll", "the company 's companies ' and we 'll"),
        ("It can't; it cannot.", "it ca n't it can not"),
        ("It don\N{RIGHT SINGLE QUOTATION MARK}t", "it do n't"),
        ("Mr. O'Brien (U.S.) 10-year 1990s", "mr. o'brien u.s. 10-year 1990s"),
        ("1,200 61.5 -3 .5 20%", "N N N N N %"),
        ("AT&T & N ...", "at&t & N"),
        ("Foo-bar!", "foo-bar"),
    ],
)
def test_text_is_spelt_as_the_treebank(text, words):
    assert PENN.words_of(text) == words.split()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("In 1990, the Berlin.", "In 1990 , the Berlin ."),
        ('"Berlin" (in)?', "`` Berlin '' -LRB- in ?"),
        ("don't doesn't", "don't doesn't"),
    ],
)
def test_a_cased_vocabulary_keeps_case_digits_and_the_signs_that_it_has(text, words):
    assert CASED.words_of(text) == words.split()


def test_a_no_break_space_is_part_of_a_word_that_is_known_and_separates_others():
    known = Vocabulary(["<eos>", "<unk>", "10\u00a0000", "euros"])
    assert known.words_of("10\u00a0000 euros") == ["10\u00a0000", "euros"]
    assert known.words_of("10\u00a0000\u00a0euros") == ["10", "000", "euros"]
    assert split_words("a\u00a0b c\td") == ["a\u00a0b", "c", "d"]


@given(st.text("ab \t\n\r\f\v\x1c\x1d\x1e\x1f\x85\u00a0\u2003é"))
def test_only_ascii_white_space_separates_words(text):
    assert split_words(text) == [word for word in re.split("[ \t-\r\x1c-\x1f]", text) if word]


def test_words_of_trees_are_spelt_as_by_the_authors():
    assert [MIKOLOV.of_tree(word) for word in ("The", "61.5", "1990s")] == ["the", "N.N", "Ns"]
    assert [CASED.spelling.of_tree(word) for word in ("The", "61.5")] == ["The", "61.5"]


def test_a_spelling_comes_back_from_a_checkpoint():
    assert Spelling.read(MIKOLOV.as_dict()) == MIKOLOV
    for wrong in ({}, {**MIKOLOV.as_dict(), "lower_case": 1}, {**MIKOLOV.as_dict(), "more": True}, 3, None):
        with pytest.raises(UserError, match="the checkpoint's spelling is not one of ours"):
            Spelling.read(wrong)


@needs_data("treebank", "penn")
def test_the_treebank_s_own_contractions_are_found_again():
    """Words of the sample, joined as a writer writes them, are split as the sample has them."""
    from app.parsing.treebank import read_treebank

    known = Vocabulary(list(dict.fromkeys(["<eos>", *(DATA / "penn" / "ptb.train.txt").read_text().split()])))
    joined = {"n't", "'s", "'ll", "'re", "'ve", "'m", "'d", "'"}
    seen = found = 0
    for sentence in read_treebank(DATA / "treebank").split():
        for before, word in zip(sentence.words, sentence.words[1:], strict=False):
            if word in joined and before in known:
                seen += 1
                found += known.words_of(f"{before}{word}") == [before, word]
    assert seen > 500
    assert found / seen > 0.99


def test_hyphens_and_numbers_as_in_wikitext() -> None:
    words = [
        "<eos>",
        "<unk>",
        "@-@",
        "@,@",
        "@.@",
        "state",
        "owned",
        "1",
        "990",
        "5",
        "didn",
        "'t",
        "'s",
        "Berlin",
        "well-to",
    ]
    vocabulary = Vocabulary(words)
    assert vocabulary.spelling == Spelling(lower_case=False, numbers=False, contractions=True, joined=True)
    told = vocabulary.words_of("state-owned 1,990 5.1 Berlin's didn't well-to-do")
    expected = "state @-@ owned 1 @,@ 990 5 @.@ 1 Berlin 's didn 't well @-@ to @-@ do"
    assert told == expected.split()
    assert vocabulary.words_of("well-to @-@ 1,990,") == ["well-to", "@-@", "1", "@,@", "990"]


def test_a_spelling_of_before_has_no_joined_words() -> None:
    saved = MIKOLOV.as_dict()
    del saved["joined"]
    assert Spelling.read(saved) == MIKOLOV
