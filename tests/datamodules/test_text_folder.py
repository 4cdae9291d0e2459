"""Folders of texts in the forms of WikiText and BabyLM, and texts with an `<eos>` of their own."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from datamodules import TextFolder
from datamodules.text_folder import Lines

# As WikiText is: a blank line, a heading, a blank line, paragraphs, each with a space at its beginning and end.
WIKI = (
    " \n = The cat = \n \n The cat @-@ dog sat on the <unk> . \n A dog sat . \n \n = = Life = = \n \n The cat sat . \n"
)
SIZES: dict[str, Any] = {"batch_size": 2, "val_batch_size": 1, "test_batch_size": 1, "bptt": 2}


def write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())


def read(folder: Path, **options: Any) -> TextFolder:
    data = TextFolder(str(folder), **SIZES | options)
    data.prepare()
    return data


def words(data: TextFolder, part: str = "train") -> str:
    return " ".join(data.vocabulary.words[number] for number in data.corpus.streams[part])


@pytest.fixture
def wikitext(tmp_path: Path) -> Path:
    write(tmp_path, {f"wiki.{part}.tokens": WIKI for part in ("train", "valid", "test")})
    return tmp_path


def test_wikitext_as_awd_lstm_reads_it(wikitext: Path) -> None:
    # AWD-LSTM's Corpus, written out: every line is split, and gets an <eos>, whatever is in it.
    stream: list[str] = []
    for line in WIKI.splitlines():
        stream += [*line.split(), "<eos>"]
    data = read(wikitext)
    assert words(data).split() == words(data, "val").split() == words(data, "test").split() == stream
    assert stream[:3] == ["<eos>", "=", "The"]
    counts = Counter(stream)
    assert data.vocabulary.words[:2] == ["<unk>", "<eos>"]
    found = [(-counts[word], word) for word in data.vocabulary.words[2:]]
    assert found == sorted(found)
    assert set(data.vocabulary.words) == set(stream)
    name = "wiki.valid.tokens"
    assert data.checksums[name] == hashlib.sha256((wikitext / name).read_bytes()).hexdigest()


def test_blank_lines_are_left_out_if_asked(wikitext: Path) -> None:
    found = words(read(wikitext, eos_after="lines_with_words"))
    assert found.startswith("= The cat = <eos> The cat @-@ dog")
    assert "<eos> <eos>" not in found


def test_an_eos_of_its_own_is_no_second_one(tmp_path: Path) -> None:
    text = "the cat <eos>\nthe dog <eos> the cat\n\nsat <eos>\n"
    write(tmp_path, {f"{part}.txt": text for part in ("train", "valid", "test")})
    ends = {
        "every_line": "the cat <eos> the dog <eos> the cat <eos> <eos> sat <eos>",
        "lines_with_words": "the cat <eos> the dog <eos> the cat <eos> sat <eos>",
        "nothing": "the cat <eos> the dog <eos> the cat sat <eos>",
    }
    for eos_after, expected in ends.items():
        assert words(read(tmp_path, eos_after=eos_after)) == expected


def babylm(folder: Path) -> None:
    texts = {
        "train_10M/childes.train": '*MOT:\t"Look, a cat!"\n\n',
        "train_10M/bnc_spoken.train": "Mr. Cat's well-fed... isn't he?\n",
        "dev/childes.dev": "A dog .\n",
        "dev/bnc_spoken.dev": "No cat.\n",
        "test/childes.test": "A cat.\n",
        "test/README.md": "read me\n",
        "README.md": "read me\n",
        ".train": "hidden\n",
    }
    write(folder, texts)


def test_babylm_has_a_file_for_each_domain(tmp_path: Path) -> None:
    babylm(tmp_path)
    data = read(tmp_path)
    assert words(data) == "Mr. Cat's well-fed... isn't he? <eos> *MOT: \"Look, a cat!\" <eos> <eos>"
    assert list(data.checksums) == [
        *("train_10M/bnc_spoken.train", "train_10M/childes.train"),
        *("dev/bnc_spoken.dev", "dev/childes.dev", "test/childes.test"),
    ]
    split = read(tmp_path, split_signs=True, lower_case=True, eos_after="lines_with_words")
    expected = "mr . cat's well-fed . . . isn't he ? <eos> * mot : \" look , a cat ! \" <eos>"
    assert words(split) == expected
    assert words(split, "val") == "<unk> cat . <eos> a <unk> . <eos>"
    # What a user writes is read in the same way.
    assert split.vocabulary.words_of('"Look, a cat!"') == ['"', "look", ",", "a", "cat", "!", '"']


def test_another_folder_or_file_by_name(tmp_path: Path) -> None:
    babylm(tmp_path)
    write(tmp_path, {"train_100M/childes.train": "one two three four five\n", "mine": "six seven <eos>\n"})
    with pytest.raises(UserError, match=r"has train_100M, train_10M; name one of them with data\.train$"):
        read(tmp_path)
    assert words(read(tmp_path, train="train_100M")) == "one two three four five <eos>"
    data = read(tmp_path, train="train_100M", valid=str(tmp_path / "mine"))
    assert words(data, "val") == "<unk> <unk> <eos>"


def test_files_of_several_domains_beside_each_other(tmp_path: Path) -> None:
    write(tmp_path, {f"{name}.{part}": f"{name} x y\n" for name in ("b", "a") for part in ("train", "dev", "test")})
    assert words(read(tmp_path)) == "a x y <eos> b x y <eos>"


def test_fewer_words(wikitext: Path) -> None:
    expected = ["<unk>", "<eos>", "=", ".", "The", "cat"]
    assert read(wikitext, vocabulary_limit=6).vocabulary.words == expected
    assert read(wikitext, min_count=3).vocabulary.words == [*expected, "sat"]
    (wikitext / "words").write_text("cat\n<eos>\n<unk>\n")
    data = read(wikitext, vocabulary_file="words")
    assert data.vocabulary.words == ["cat", "<eos>", "<unk>"]
    assert words(data).startswith("<eos> <unk> <unk> cat <unk> <eos>")


@given(st.lists(st.sampled_from(["cat", "<eos>", "a.b", "¿que?", "don't", "..."]), max_size=6))
def test_signs_are_split_off_and_nothing_is_lost(line: list[str]) -> None:
    split = Lines(eos_after="nothing", split_signs=True, lower_case=False)(" ".join(line))
    assert "".join(split) == "".join(line)
    assert split.count("<eos>") == line.count("<eos>")
    assert all(word == "<eos>" or len(word) == 1 or (word[0].isalnum() or word[0] == "¿") for word in split)


def test_marks_beside_signs_stay_whole() -> None:
    split = Lines(eos_after="nothing", split_signs=True, lower_case=False)
    assert split('("<unk>," ...<eos> <unk>s') == ["(", '"', "<unk>", ",", '"', ".", ".", ".", "<eos>", "<", "unk>s"]


def test_checksums_are_compared(wikitext: Path) -> None:
    digest = hashlib.sha256(WIKI.encode()).hexdigest()
    (wikitext / "SHA256SUMS").write_text(f"{digest} *wiki.train.tokens\n{digest}  ./wiki.test.tokens\n")
    read(wikitext)
    (wikitext / "wiki.test.tokens").write_text(WIKI + "more\n")
    with pytest.raises(UserError, match=rf"^[^\n]*wiki\.test\.tokens: its SHA-256 is \w+, expected {digest}; [^\n]+$"):
        read(wikitext)
    changed = hashlib.sha256(f"{WIKI}more\n".encode()).hexdigest()
    read(wikitext, sha256={"wiki.test.tokens": changed})


@pytest.mark.parametrize(
    ("texts", "options", "reason"),
    [
        ({}, {}, r"has no file or folder \*train\*; name the text with data\.train"),
        (
            {"wiki.train.raw": "a\n"},
            {},
            r"has wiki\.train\.raw, wiki\.train\.tokens; name one of them with data\.train",
        ),
        ({"other": "a\n"}, {"train": "nowhere"}, r"nowhere: no such file or folder; data\.train names it"),
        ({"folder/a.md": "a\n"}, {"train": "folder"}, r"folder: has no file \*\.train or \*\.txt"),
        ({"other": "a\n"}, {"eos_after": "nothing"}, r"wiki\.train\.tokens: has no <eos>, although data\.eos_after"),
        ({"other": "\n\n"}, {"train": "other", "eos_after": "lines_with_words"}, "other: is empty"),
        ({"other": "a\n"}, {"vocabulary_limit": 2}, r"data\.vocabulary_limit is 2; expected 3 or more"),
        ({"other": "a\n"}, {"min_count": 0}, r"data\.min_count is 0; expected 1 or more"),
        ({"other": "a\n"}, {"min_count": 2, "vocabulary_file": "other"}, r"data\.vocabulary_file names the words"),
        ({"other": "a b\n"}, {"vocabulary_file": "other"}, "other, line 1: has 2 words"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, texts: dict[str, str], options: dict[str, Any], reason: str) -> None:
    if texts:
        write(tmp_path, {f"wiki.{part}.tokens": WIKI for part in ("train", "valid", "test")})
    write(tmp_path, texts)
    with pytest.raises(UserError, match=reason) as caught:
        read(tmp_path, **options)
    assert "\n" not in str(caught.value)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: no such folder; put the texts there, or name their folder"):
        read(tmp_path / "nowhere")
