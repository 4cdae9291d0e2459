"""Pairs in JSON lines, as BLiMP has them, and one line for every mistake."""

import json
from pathlib import Path

import pytest

from app.common.errors import UserError
from app.syntax.pairs import read_pairs
from app.syntax.stimuli import Construction, Item

AGREEMENT = {"linguistics_term": "subject_verb_agreement", "field": "morphology", "pairID": "0"}
BINDING = {"linguistics_term": "binding", "field": "syntax"}


def pair(good: str, bad: str, **others: object) -> dict[str, object]:
    return {"sentence_good": good, "sentence_bad": bad} | others


def write(path: Path, pairs: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in pairs))
    return path


def test_a_folder_of_blimp(tmp_path: Path) -> None:
    first = [pair("The cat  sleeps.", "The cat sleep.", UID="regular_1", **AGREEMENT)]
    second = [pair("He saw himself.", "He saw herself.", UID="anaphor", **BINDING)]
    third = [pair("Cats sleep.", "Cats sleeps.", UID="regular_2", **AGREEMENT)]
    for name, pairs in {"a": first, "b": second, "c": third}.items():
        write(tmp_path / f"{name}.jsonl", pairs)
    (tmp_path / "README").write_text("not a pair\n")
    found = read_pairs(tmp_path)
    assert found.constructions == (
        Construction("subject_verb_agreement", "", ("regular_1", "regular_2"), 2),
        Construction("binding", "", ("anaphor",), 2),
    )
    assert found.items == (
        Item("regular_1", "", ("The cat sleeps.", "The cat sleep.")),
        Item("anaphor", "", ("He saw himself.", "He saw herself.")),
        Item("regular_2", "", ("Cats sleep.", "Cats sleeps.")),
    )


def test_a_file_of_ones_own_is_one_row(tmp_path: Path) -> None:
    found = read_pairs(write(tmp_path / "mine.jsonl", [pair("a b", "b a"), {"grammatical": "c", "ungrammatical": "d"}]))
    assert found.constructions == (Construction("mine", "", ("mine",), 2),)
    assert [item.sentences for item in found.items] == [("a b", "b a"), ("c", "d")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ('{"sentence_good": "a", "sentence_bad": "b"}\n{"sentence_good":\n', "line 2: not JSON"),
        ("[1]\n", "line 1: not an object"),
        ('{"sentence_good": "a"}\n', "line 1: no sentence_bad"),
        ('{"sentence_good": 3, "sentence_bad": "b"}\n', "line 1: no text for sentence_good"),
        ('{"sentence_good": "a", "sentence_bad": " "}\n', "line 1: a sentence is empty"),
        ('{"sentence_good": "a  b", "sentence_bad": "a b"}\n', "line 1: the same sentence twice"),
        (
            f"{json.dumps(pair('a', 'b', UID='x', row='r'))}\n{json.dumps(pair('a', 'c', UID='x', row='s'))}\n",
            "of s here",
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "own.jsonl").write_text(content)
    with pytest.raises(UserError, match=said):
        read_pairs(tmp_path / "own.jsonl")


def test_a_folder_without_pairs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no \.jsonl files there"):
        read_pairs(tmp_path)
