"""Templates: the sentences they generate, and one line for every mistake."""

from pathlib import Path

import pytest

from app.common.errors import UserError
from app.syntax.stimuli import Construction, Item
from app.syntax.templates import read_templates

HEAD = """
# a comment
words CAT (sg/pl): cat/cats,
    tall dog/tall dogs
words SEES (sg/pl): sees/see
words ONCE: now, again
[short] agreement
case plain
"""


@pytest.fixture
def read(tmp_path: Path):
    def reading(text: str):
        (tmp_path / "some.txt").write_text(text)
        return read_templates(tmp_path / "some.txt")

    return reading


def test_every_word_in_every_place(read) -> None:
    found = read(f"{HEAD}sg: the CAT.sg [SEES.sg | SEES.pl] ONCE\n")
    assert found.constructions == (Construction("agreement", "short", ("plain",), 2),)
    assert [item.sentences for item in found.items] == [
        ("the cat sees now", "the cat see now"),
        ("the cat sees again", "the cat see again"),
        ("the tall dog sees now", "the tall dog see now"),
        ("the tall dog sees again", "the tall dog see again"),
    ]
    assert {(item.case, item.condition) for item in found.items} == {("plain", "sg")}


def test_the_same_name_is_the_same_word_and_another_number_another(read) -> None:
    found = read(f"{HEAD}sg: CAT.sg CAT2.pl [CAT.sg | CAT2.sg]\n")
    assert [item.sentences for item in found.items] == [
        ("cat tall dogs cat", "cat tall dogs tall dog"),
        ("tall dog cats tall dog", "tall dog cats cat"),
    ]


def test_a_word_may_stand_in_one_of_the_sentences_only(read) -> None:
    found = read(f"{HEAD}sg: no [CAT.sg | cats]\n")
    assert [item.sentences for item in found.items] == [("no cat", "no cats"), ("no tall dog", "no cats")]


def test_triples_and_several_cases(read) -> None:
    more = "[long] polarity\ncase first\npl: [no | the | most] CAT.pl that [the | no | the] CAT2.pl SEES.pl\n"
    found = read(f"{HEAD}sg: a [b | c]\n{more}case second\npl: [a | b | c] CAT.pl\n")
    assert found.items[1] == Item(
        "first",
        "pl",
        ("no cats that the tall dogs see", "the cats that no tall dogs see", "most cats that the tall dogs see"),
    )
    assert found.constructions[1] == Construction("polarity", "long", ("first", "second"), 3)
    assert [name for name, _ in found.constructions[1].rows()] == [
        "polarity, grammatical vs. intrusive",
        "polarity, intrusive vs. ungrammatical",
        "polarity, grammatical vs. ungrammatical",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"is empty"),
        ("# nothing\n", r"has no templates"),
        ("words CAT: cat\n", r"has no templates"),
        ("what is this\n", r"line 1: 'what is this' is not understood"),
        ("words CAT: cat\nwords CAT: dog\n", r"line 2: the word list CAT is defined twice"),
        ("words CAT (sg/pl): cat/cats, dog\n", r"line 1: 'dog' needs one text for each form of CAT"),
        ("words CAT (sg/pl): cat/\n", r"line 1: 'cat/' needs one text"),
        ("case plain\n", r"line 1: a case comes before the first row"),
        ("[short] row\nsg: a [b | c]\n", r"line 2: a condition comes before its case"),
        ("[short] row\n[long] other\n", r"line 1: row has no template"),
        ("[short] row\ncase plain\n", r"line 1: row has no template"),
        (f"{HEAD}case plain\n", r"line 9: the case plain is defined twice"),
        (f"{HEAD}sg: a [b | c]\nsg: a [b | c]\n", r"line 10: the condition sg is defined twice"),
        (f"{HEAD}sg: the cat\n", r"line 9: expected \[a \| b\] in every bracket"),
        (f"{HEAD}sg: [a | b] cat [a | b | c]\n", r"line 9: expected \[a \| b\]"),
        (f"{HEAD}sg: [a | b | c | d]\n", r"line 9: expected \[a \| b\]"),
        (f"{HEAD}sg: a [b | c]\npl: [a | b | c]\n", r"line 10: makes 3 sentences, but other templates .* make 2"),
        (f"{HEAD}sg: DOG [b | c]\n", r"line 9: DOG is not a word list"),
        (f"{HEAD}sg: The [b | c]\n", r"line 9: The is not a word list"),
        (f"{HEAD}sg: CAT.dual [b | c]\n", r"line 9: CAT\.dual is not a form of CAT; expected one of CAT\.sg, CAT\.pl"),
        (f"{HEAD}sg: CAT [b | c]\n", r"line 9: CAT is not a form of CAT; expected one of"),
        (f"{HEAD}sg: ONCE.sg [b | c]\n", r"line 9: ONCE\.sg is not a form of ONCE; expected ONCE"),
        (f"{HEAD}sg: a [b | b]\n", r"line 9: makes the same sentence twice: 'a b'"),
    ],
)
def test_one_line_for_a_mistake(read, text: str, says: str) -> None:
    with pytest.raises(UserError, match=rf"some\.txt.*{says}") as caught:
        read(text)
    assert "\n" not in str(caught.value)
