import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.common.vocabulary import EOS, UNK
from datamodules import torchtext_reader
from datamodules.torchtext_reader import build_vocabulary, read_words


@given(
    lines=st.lists(
        st.lists(st.sampled_from(["a", "b", "c", "é", "<unk>", "<pad>", "x-y"]), min_size=1), min_size=1, max_size=9
    ),
    limit=st.none() | st.integers(3, 9),
)
def test_words_and_vocabulary_agree_with_plain_counting(tmp_path_factory, lines, limit):
    path = tmp_path_factory.mktemp("text") / "t.txt"
    path.write_text("\n".join("  ".join(line) for line in lines), encoding="utf-8")
    words = [word for line in lines for word in [*line, EOS]]
    assert read_words(path) == words
    counts = Counter(word for word in words if word not in (UNK, EOS))
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    assert build_vocabulary(words, limit=limit).words == [UNK, EOS, *ranked][:limit]


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfa b\nc\n", b"a b\r\nc\r\n", b"a b\rc", b"a b\nc", b" a\tb \n\tc\n"])
def test_line_ends_byte_order_marks_and_spaces_are_no_words(tmp_path, content):
    path = tmp_path / "t.txt"
    path.write_bytes(content)
    assert read_words(path) == ["a", "b", EOS, "c", EOS]


def test_only_one_file_knows_torchtext_and_imports_it_to_read():
    repository = Path(torchtext_reader.__file__).parents[1]
    sources = [path for room in ("app", "callbacks", "datamodules") for path in (repository / room).rglob("*.py")]
    mentions = {
        path.name: path.read_text() for path in sources if re.search(r"(from|import) torchtext", path.read_text())
    }
    assert list(mentions) == ["torchtext_reader.py"]
    assert not re.search(r"^(from|import) torchtext", mentions["torchtext_reader.py"], re.MULTILINE)
