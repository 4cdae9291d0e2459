"""The user's own pairs: reading, and one line for every mistake."""

from pathlib import Path

import pytest

from app.common.errors import UserError
from app.syntax.pairs import read_pairs
from app.syntax.stimuli import Construction, Item


@pytest.fixture
def read(tmp_path: Path):
    def reading(content: str | bytes):
        (tmp_path / "own.tsv").write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_pairs(tmp_path / "own.tsv")

    return reading


def test_two_columns(read) -> None:
    found = read("the cat  sleeps\tthe cat sleep\r\na dog barks\ta dog bark\r\n")
    assert found.items == (
        Item("pairs", "", ("the cat sleeps", "the cat sleep")),
        Item("pairs", "", ("a dog barks", "a dog bark")),
    )
    assert found.constructions == (Construction("pairs", "", ("pairs",), 2),)


def test_names_of_columns_may_be_capitals(read) -> None:
    assert read("Grammatical\tUngrammatical\na\tb\n").items == (Item("pairs", "", ("a", "b")),)


def test_columns_by_name_and_triples(read) -> None:
    head = "ungrammatical\tgrammatical\tcase\tungrammatical_2\n"
    found = read(f"{head}cat sleep\tcat sleeps\tsimple\nthe\tno\tnpi\tmost\n")
    assert found.items == (Item("simple", "", ("cat sleeps", "cat sleep")), Item("npi", "", ("no", "the", "most")))
    assert found.constructions == (Construction("simple", "", ("simple",), 2), Construction("npi", "", ("npi",), 3))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", r"is empty"),
        (" \n\n", r"is empty"),
        (b"a b\ta c\n\xff\tb\n", r"line 2: not UTF-8"),
        ("a b\n", r"line 1: 1 column, expected 2 separated by tabs: grammatical, ungrammatical"),
        ("a\tb\nc\td\te\n", r"line 2: 3 columns, expected 2"),
        ("a\tb\n\n", r"line 2: 1 column, expected 2"),
        ("a\tb\nc\t \n", r"line 2: a sentence is empty"),
        ("a\tb\nc d\tc  d\n", r"line 2: the same sentence twice"),
        ("grammatical\tungrammatical\n", r"has a header but no pairs"),
        ("grammatical\tcase\na\tb\n", r"line 1: expected the columns grammatical and ungrammatical"),
        ("grammatical\tungrammatical\tgrammatical\na\tb\tc\n", r"line 1: expected the columns .* each once"),
        ("grammatical\tungrammatical\tkind\na\tb\tc\n", r"line 1: no column is called 'kind'; expected case"),
        ("case\tgrammatical\tungrammatical\tungrammatical_2\nx\ta\tb\tc\nx\ta\tb\n", r"x has pairs and triples"),
        ("case\tgrammatical\tungrammatical\nx\ta\n", r"line 2: 2 columns, expected 3"),
    ],
)
def test_one_line_for_a_mistake(read, content: str | bytes, says: str) -> None:
    with pytest.raises(UserError, match=rf"own\.tsv.*{says}") as caught:
        read(content)
    assert "\n" not in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.tsv: cannot be read \(No such file"):
        read_pairs(tmp_path / "none.tsv")
