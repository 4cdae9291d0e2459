"""Which files of a folder are a treebank's, in which encoding, with labels or without, and of which split."""

import re
from pathlib import Path

import pytest

from app.common.errors import UserError
from app.common.spelling import Spelling
from app.parsing import treebank_splits
from app.parsing.treebank import Treebank, read_treebank
from app.parsing.treebank_options import TreebankOptions

AS_IT_IS = Spelling(lower_case=False, numbers=False, contractions=False)
SMALL = "(s (np (dt the) (nn {})) (vp (vbd sat)))\n"
CTB = "<S ID=1>\n( (IP (NP-SBJ (NR 上海) (NN {})) (VP (VA 好)) (PU 。)) )\n</S>\n"
LONG = "(S (NP (DT the) (NN {})) (VP (VB saw) (NP (DT the) (JJ old) (NN cat)) (ADVP (RB there))))\n"


def bank(folder: Path, files: dict[str, str], written_in: str = "utf-8", **options: object) -> Treebank:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode(written_in))
    return read_treebank(folder, AS_IT_IS, TreebankOptions(**options))  # type: ignore[arg-type]


def words(read: Treebank, split: str = "all") -> list[str]:
    return [" ".join(sentence.words) for sentence in read.split(split)]


def test_labels_in_small_letters_are_told_by_all_files_together(tmp_path: Path) -> None:
    read = bank(tmp_path, {f"{name}.mrg": SMALL.format(name) for name in "abc"})
    assert words(read) == ["the a sat", "the b sat", "the c sat"]
    assert (
        "its 3 trees do not tell whether brackets have labels: read with the first word of each bracket" in read.notice
    )
    assert "(or say --labels false)" in read.notice
    assert "--labels" not in bank(tmp_path, {"d.mrg": SMALL.format("d") * 30}).notice


def test_one_tree_does_not_tell_and_the_option_does(tmp_path: Path) -> None:
    read = bank(tmp_path, {"a.mrg": SMALL.format("cat")})
    assert words(read) == ["s np dt the nn cat vp vbd sat"]
    assert "its only tree does not tell" in read.notice
    assert "(or say --labels true)" in read.notice
    assert words(bank(tmp_path, {}, labels=True)) == ["the cat sat"]
    assert "only tree" not in bank(tmp_path, {}, labels=False).notice


def test_files_with_labels_and_without_are_not_one_treebank(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has trees with labels \(.*a.mrg\) and without \(.*b.txt\); name a folder"):
        bank(tmp_path, {"a.mrg": LONG.format("dog"), "b.txt": "((the cat) sat)\n"})


def test_a_damaged_tree_without_labels_is_named(tmp_path: Path) -> None:
    lines = ["((the cat) sat)", "((a dog (ran off))", *["((the cat) sat)"] * 30]
    with pytest.raises(UserError, match=r"trees.txt, line 2: .*bracket"):
        bank(tmp_path, {"trees.txt": "\n".join(lines)})


def test_a_damaged_tree_of_one_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a.mrg, line 1: 'b' has no part-of-speech tag"):
        bank(tmp_path, {"a.mrg": "(S (NN a) b)\n"})


@pytest.mark.parametrize("name", ["README", "readme.txt", "LICENSE", "notes"])
def test_other_texts_that_begin_with_a_bracket_are_no_trees(tmp_path: Path, name: str) -> None:
    text = (
        "(c) 2005 a university\n\nThis is a treebank (of cats).\nSee there.\n" if name == "notes" else "(see there)\n"
    )
    read = bank(tmp_path, {"a.txt": LONG.format("dog"), name: text})
    assert words(read) == ["the dog saw the old cat there"]
    assert "1 file of something else" in read.notice


def test_the_encoding_is_given(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"chtb_001.fid, line 2: not UTF-8 .*--encoding gb18030"):
        bank(tmp_path, {"chtb_001.fid": CTB.format("天气")}, "gb18030")
    read = bank(tmp_path, {}, encoding="gb18030")
    assert words(read) == ["上海 天气 好"]
    for name in ("klingon", "idna", "undefined", "base64", "utf\0", ""):
        message = f"--encoding is {name!r}; expected the name of an encoding"
        with pytest.raises(UserError, match=re.escape(message)):
            TreebankOptions(encoding=name)


@pytest.mark.parametrize("name", [None, "utf-8", "UTF8", "utf-8-sig"])
def test_utf_8_may_begin_with_a_byte_order_mark(tmp_path: Path, name: str | None) -> None:
    (tmp_path / "bom.trees").write_bytes(b"\xef\xbb\xbf" + b"(S (NP (DT the) (NN cat)) (VBD sat))\n")
    assert bank(tmp_path, {}, encoding=name).split("all")[0].words == ("the", "cat", "sat")


def test_the_usual_splits_of_the_chinese_treebank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(treebank_splits, "CTB_SENTENCES", {"train": 4, "valid": 2, "test": 2})
    numbers = {"train": ("001", "270", "0440", "1151"), "valid": ("301", "325"), "test": ("271", "0300"), "": ("400",)}
    files = {f"chtb_{number}.nw": CTB.format(number) for each in numbers.values() for number in each}
    read = bank(tmp_path, {**files, "chtb_2000.nw": CTB.format("2000")})
    for split, its in numbers.items():
        if split:
            assert sorted(words(read, split)) == [f"上海 {number} 好" for number in sorted(its)]
    assert read.default_split == "test"
    assert len(read.split("all")) == 10
    assert "train 4, 4; valid 2, 2; test 2, 2" in read.notice
    (tmp_path / "chtb_271.nw").unlink()
    read = bank(tmp_path, {})
    assert set(read.splits) == {"all", "short", "train", "valid"}
    assert "; valid 2, 2; no split test, whose counts differ: 1, 2" in read.notice


def test_other_treebanks_have_no_such_splits(tmp_path: Path) -> None:
    assert set(bank(tmp_path, {"chtb_271.fid": LONG.format("dog") * 348}).splits) == {"all", "short"}
    assert set(bank(tmp_path, {"chtb_271.fid": CTB.format("300") * 300}).splits) == {"all", "short"}


def test_a_part_of_the_training_trees_is_not_read_twice(tmp_path: Path) -> None:
    several = "".join(LONG.format(f"dog{n}") for n in range(5))
    read = bank(tmp_path, {"train5k.German.gold.ptb": several[: len(several) // 5], "train.German.gold.ptb": several})
    assert len(read.split("train")) == len(read.split("all")) == 5
    assert len(read.split("train5k")) == 1
    assert "all is without 1 file with a part of train" in read.notice
    (tmp_path / "train.German.gold.ptb").unlink()
    assert len(bank(tmp_path, {}).split("all")) == 1


def test_sentences_of_two_files_are_told(tmp_path: Path) -> None:
    several = [LONG.format(f"dog{n}") for n in range(4)]
    read = bank(tmp_path, {"a.ptb": "".join(several), "copy/b.ptb": "".join([*several[1:], LONG.format("x")])})
    assert "3 of 4 longer sentences of copy/b.ptb are in a.ptb too and count twice: name a folder" in read.notice
    other = bank(tmp_path / "other", {"a.ptb": "".join(several), "b.ptb": several[0] + LONG.format("x") * 3})
    assert "count twice" not in other.notice
