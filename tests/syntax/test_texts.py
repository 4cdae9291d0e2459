"""Texts of a user's: which words belong to which line, word as it is written, and region."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.common.vocabulary import EOS, UNK, Vocabulary
from app.syntax.texts import Place, read_sentences

VOCABULARY = Vocabulary([UNK, EOS, "i", "do", "n't", "know", "the", "company", "'s", "N", "horse", "fell"])


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "text.txt"
    path.write_bytes(text.encode())
    return path


def test_lines_texts_regions_and_words(tmp_path: Path) -> None:
    text = "I don't know.\n\nThe company's\thorse fell, 12\t!\n  \nfell\n"
    first, second, third = read_sentences(written(tmp_path, text), VOCABULARY)
    assert (first.line, first.text, first.regions) == (1, 1, ("I don't know.",))
    assert first.words == ("i", "do", "n't", "know")
    assert first.places == (Place(1, 1), Place(2, 1), Place(2, 1), Place(3, 1))
    assert first.written == ["I", "don't", "know."]
    assert (second.line, second.text) == (3, 2)
    assert second.regions == ("The company's", "horse fell, 12", "!")
    assert second.words == ("the", "company", "'s", "horse", "fell", "N")
    assert [place.written for place in second.places] == [1, 2, 2, 3, 4, 5]
    assert [place.region for place in second.places] == [1, 1, 1, 2, 2, 2]
    assert (third.line, third.text, third.words) == (5, 3, ("fell",))


@given(
    lines=st.lists(st.lists(st.sampled_from(["I", "don't", "know", "xyz", "!", "12", "\t"]), max_size=6), min_size=1)
)
def test_words_are_those_of_the_line_as_a_whole(
    tmp_path_factory: pytest.TempPathFactory, lines: list[list[str]]
) -> None:
    texts = [" ".join(words) for words in lines]
    readable = [number for number, text in enumerate(texts, 1) if VOCABULARY.words_of(text)]
    path = tmp_path_factory.mktemp("texts") / "text.txt"
    path.write_text("\n".join(text if number in readable else "" for number, text in enumerate(texts, 1)) + "\n")
    if not readable:
        return
    sentences = read_sentences(path, VOCABULARY)
    assert [sentence.line for sentence in sentences] == readable
    for sentence in sentences:
        text = texts[sentence.line - 1]
        assert list(sentence.words) == VOCABULARY.words_of(text)
        assert sentence.written == text.split()
        assert len(sentence.regions) == text.count("\t") + 1
        spelt = [VOCABULARY.words_of(word) for word in sentence.written]
        assert [place.written for place in sentence.places] == [
            number for number, words in enumerate(spelt, 1) for _ in words
        ]


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "is empty"), ("know\n...\n", "line 2: no word that the model can read, '...'"), ("a\x1b[2J\n", "line 1")],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_sentences(written(tmp_path, text), VOCABULARY)
