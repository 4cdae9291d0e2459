"""Sentences of running text: where they end, and which lines they begin on."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.common.vocabulary import EOS, UNK, Vocabulary
from app.syntax.raw_text import read_raw_text
from app.syntax.texts import read_sentences

VOCABULARY = Vocabulary([UNK, EOS, "mr.", "u.s.", "he", "she", "rose", "fell", "said", "N", "j."])


def split(tmp_path: Path, text: str, vocabulary: Vocabulary = VOCABULARY) -> list[str]:
    (tmp_path / "text").write_text(text)
    return [sentence.regions[0] for sentence in read_raw_text(tmp_path / "text", vocabulary)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("He rose. She fell.", ["He rose.", "She fell."]),
        ("He rose? She fell! He said", ["He rose?", "She fell!", "He said"]),
        ("Mr. Smith rose. He fell.", ["Mr. Smith rose.", "He fell."]),
        ("J. Smith rose.", ["J. Smith rose."]),
        ("The U.S. Senate rose.", ["The U.S. Senate rose."]),
        ("He said 1.5 rose. 12 fell.", ["He said 1.5 rose.", "12 fell."]),
        ('"He rose." She said (He fell.) "Go!" he said.', ['"He rose."', "She said (He fell.)", '"Go!" he said.']),
        ("He rose ... and fell.", ["He rose ... and fell."]),
        ("He rose . She fell .", ["He rose .", "She fell ."]),
        ("He rose\nand fell. She\nrose", ["He rose and fell.", "She rose"]),
        ("He rose\n\nShe fell", ["He rose", "She fell"]),
        ("... He rose.", ["He rose."]),
    ],
)
def test_by_hand(tmp_path: Path, text: str, sentences: list[str]) -> None:
    assert split(tmp_path, text) == sentences


def test_lines_and_paragraphs(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("\nHe rose.\nShe fell. He\n\n...\n\nsaid.\n")
    found = read_raw_text(tmp_path / "text", VOCABULARY)
    assert [(sentence.line, sentence.text) for sentence in found] == [(2, 1), (3, 1), (3, 1), (7, 2)]
    assert [sentence.words for sentence in found] == [("he", "rose"), ("she", "fell"), ("he",), ("said",)]
    assert [place.written for place in found[0].places] == [1, 2]


def test_a_full_stop_that_is_a_word_ends_a_sentence(tmp_path: Path) -> None:
    vocabulary = Vocabulary([UNK, EOS, ".", "he", "rose"])
    assert split(tmp_path, "He rose. He rose . He", vocabulary) == ["He rose.", "He rose .", "He"]


@given(st.lists(st.sampled_from(["He", "rose.", "Mr.", "fell", "?", "\n", "\n\n", "12", '"', "J."]), min_size=1))
def test_no_word_is_lost(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "text"
    path.write_text(" ".join(parts))
    try:
        found = [word for sentence in read_raw_text(path, VOCABULARY) for word in sentence.words]
    except UserError:
        found = []
    assert found == [word for part in parts for word in VOCABULARY.words_of(part)]


def test_a_sentence_a_line_is_read_alike(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("He rose.\nShe fell.\n")
    assert read_raw_text(tmp_path / "text", VOCABULARY) == read_sentences(tmp_path / "text", VOCABULARY)
