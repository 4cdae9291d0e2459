"""Texts that are read line by line."""

from pathlib import Path

import pytest

from app.common.errors import UserError
from app.common.vocabulary import EOS, UNK, Vocabulary
from datamodules import corpus_reader
from datamodules.corpus_reader import count_words, encode


@pytest.mark.parametrize("read", [count_words, lambda path: encode(path, Vocabulary([UNK, EOS]))])
def test_a_line_that_is_no_sentence_is_not_read_to_its_end(
    read: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus_reader, "LONGEST_LINE", 100)
    path = tmp_path / "train.txt"
    path.write_text("a b\n" + "c " * 49 + "c\n")
    assert callable(read)
    read(path)
    path.write_text("a b\n" + "c " * 1_000_000)
    with pytest.raises(UserError, match=r"train\.txt, line 2: more than 100 bytes; is it the right file\?$"):
        read(path)
