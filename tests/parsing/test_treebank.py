import hashlib
import re
from pathlib import Path

import pytest
from helpers.needs import DATA, needs_data
from hypothesis import given
from hypothesis import strategies as st

import app.parsing.penn_treebank as penn
import app.parsing.treebank as module
from app.common.errors import UserError
from app.parsing.gold import gold_sentence
from app.parsing.penn_treebank import WORD_TAGS
from app.parsing.treebank import read_treebank
from app.parsing.treebank_options import TreebankOptions
from app.parsing.trees import GoldSentence

SENTENCE = """
( (S
    (NP-SBJ-1
      (NP (NNP Mr.) (NNP Lee) )
      (, ,)
      (ADJP (NP (CD 61.5) (NNS years) ) (JJ old) )
      (, ,) )
    (VP (VBD paid)
      (NP (QP (-LRB- -LRB-) ($ $) (CD 1,200) (-RRB- -RRB-)) (-NONE- *U*) )
      (SBAR=2 (-NONE- 0)
        (S-ADV
          (NP-SBJ (-NONE- *-1) )
          (VP (TO to)
            (VP (VB go)
              (ADVP|PRT (RB away) )
              (PP (-NONE- *T*-3) ))))))
    (. .) ))
"""

# Labelled trees with traces, punctuation, function tags and phrases without words.
leaves = st.sampled_from(
    [("NN", ["Dog"]), ("CD", ["10-20"]), ("-NONE-", ["*T*"]), (",", [","]), ("PRP$", ["Its"]), ("-LRB-", ["-LRB-"])]
)
nodes = st.recursive(
    leaves,
    lambda inner: st.tuples(
        st.sampled_from(["S", "NP-SBJ-1", "VP=2", "NP", "ADVP|PRT"]), st.lists(inner, min_size=1, max_size=4)
    ),
    max_leaves=15,
)


def plain(section: int, *texts: str) -> str:
    """The content of a file whose words contain the number of their section."""
    return "".join(f"( (S {''.join(f'(NN {word}{section:02d}x)' for word in text.split())}) )\n" for text in texts)


def write(folder: Path, contents: dict[str, str]) -> Path:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def words(sentences: list[GoldSentence]) -> list[str]:
    return [" ".join(sentence.words) for sentence in sentences]


@pytest.fixture
def whole(tmp_path, monkeypatch) -> Path:
    """The folders of the whole treebank, with one short and one long sentence in each section."""
    monkeypatch.setattr(penn, "TREES", {(0, 0): 2, (2, 21): 40, (22, 22): 2, (23, 23): 2, (24, 24): 2})
    monkeypatch.setattr(module, "WSJ10_SENTENCES", 25)
    files = {f"wsj/{n:02d}/wsj_{n:02d}01.mrg": plain(n, "a", "b " * 11) for n in range(25)}
    return write(tmp_path / "whole", files)


def test_there_are_thirty_six_tags_of_words():
    assert len(WORD_TAGS) == 36
    assert WORD_TAGS.isdisjoint([",", ".", ":", "``", "''", "$", "#", "-NONE-", "-LRB-", "-RRB-", "NP"])


def test_a_sentence_is_prepared_as_by_hand(tmp_path):
    treebank = read_treebank(write(tmp_path, {"wsj_0001.mrg": SENTENCE}))
    (sentence,) = treebank.splits["all"]
    # 0 mr. 1 lee 2 N.N 3 years 4 old 5 paid 6 N,N 7 to 8 go 9 away
    assert " ".join(sentence.words) == "mr. lee N.N years old paid N,N to go away"
    assert sentence.tree == (((0, 1), ((2, 3), 4)), (5, 6, (7, (8, 9))))
    assert sorted(sentence.constituents) == sorted(
        [
            ("S", 0, 10),
            ("NP", 0, 5),
            ("NP", 0, 2),
            ("ADJP", 2, 5),
            ("NP", 2, 4),
            ("VP", 5, 10),
            ("SBAR", 7, 10),
            ("S", 7, 10),
            ("VP", 7, 10),
            ("VP", 8, 10),
        ]
    )


def test_a_label_that_begins_with_a_dash_keeps_it():
    sentence = gold_sentence(("-X-Y", [("NN", ["a"]), ("NN", ["b"])]))
    assert sentence is not None
    assert sentence.constituents == (("-X", 0, 2),)


def test_a_sentence_of_one_word_is_that_word_and_one_without_is_none():
    assert gold_sentence(("S", [("INTJ", [("UH", ["Yes"])]), (".", ["."])])) == GoldSentence(("yes",), 0)
    assert gold_sentence(("S", [("NP", [("-NONE-", ["*"])]), (".", ["."])])) is None


def test_clean_words_are_kept_as_they_are():
    tree = ("S", [("NP", ["The", ("Noun", ["Cats"])]), ("VP", ["sleep-in", "2"])])
    expected = GoldSentence(
        ("The", "Cats", "sleep-in", "2"), ((0, 1), (2, 3)), (("NP", 0, 2), ("VP", 2, 4), ("S", 0, 4))
    )
    assert gold_sentence(tree, keep_all=True) == expected


@given(nodes)
def test_agrees_with_a_recursion_in_the_manner_of_the_authors(node):
    """As `tree2list` of `data_ptb.py` and the labelled brackets of `parse_comparison.py`; words are their indices."""
    found: list[str] = []
    spans: list[tuple[str, int, int]] = []

    def to_list(node):
        label, children = node
        if label in WORD_TAGS:
            found.append(re.sub("[0-9]+", "N", children[0].lower()))
            return len(found) - 1
        if isinstance(children[0], str):
            return []
        start = len(found)
        root = [child for child in map(to_list, children) if child != []]
        if len(found) - start > 1:
            spans.append((re.split("[-=]", label)[0], start, len(found)))
        return tuple(root) if len(root) > 1 else root[0] if root else []

    tree = to_list(node)
    sentence = gold_sentence(node)
    if not found:
        assert sentence is None
    else:
        assert sentence == GoldSentence(tuple(found), tree, tuple(spans))


def test_the_depth_of_a_tree_is_no_limit():
    depth = 5_000
    node: tuple = ("NN", ["a"])
    for _ in range(depth):
        node = ("X", [("NN", ["a"]), ("Y", [node])])
    sentence = gold_sentence(node)
    assert sentence is not None
    assert len(sentence.words) == depth + 1
    assert len(sentence.constituents) == 2 * depth - 1  # all but the innermost Y, which has one word
    tree = sentence.tree
    for word in range(depth):
        assert isinstance(tree, tuple)
        assert tree[0] == word
        tree = tree[1]
    assert tree == depth


@pytest.mark.parametrize("layout", ["wsj_{:02d}{:02d}.mrg", "WSJ/{0:02d}/WSJ_{0:02d}{1:02d}.MRG"])
def test_the_sample_is_recognised_wherever_its_files_lie(tmp_path, layout, monkeypatch):
    monkeypatch.setitem(penn.TREES, (0, 0), 2)
    contents = {layout.format(1, 3): plain(1, "c " * 10, "d " * 11), layout.format(0, 2): plain(0, "a", "b b")}
    treebank = read_treebank(write(tmp_path, contents | {"README": "no tree", "BROWN/ck01.mrg": "no tree either"}))
    assert words(treebank.splits["sample"]) == [
        "aNx",
        "bNx bNx",
        " ".join(["cNx"] * 10),
        " ".join(["dNx"] * 11),
    ]
    assert treebank.splits["wsj10"] == treebank.splits["sample"][:3]
    assert treebank.split() == treebank.splits["sample"]
    assert treebank.split("wsj10") == treebank.splits["wsj10"]
    with pytest.raises(UserError, match=r"there is no split 'test'; choose from sample, wsj10$"):
        treebank.split("test")
    assert treebank.default_split == "sample"
    assert treebank.name == "NLTK's sample of the Penn Treebank"
    for part in (str(tmp_path), "sample", "2 files, 4 sentences", "not section 23", "Mikolov", "sections 00-01"):
        assert part in treebank.notice
    assert "\n" not in treebank.notice


def test_the_numbers_of_trees_add_up_to_the_treebank_s():
    """With the 1,993 of section 01; and the sample of 3,914 is sections 00 and 01."""
    assert sum(penn.TREES.values()) + 1_993 == 49_208
    assert penn.TREES[0, 0] + 1_993 == 3_914


FRENCH = "( (SENT (NP (DET Le) (NC chat)) (VN (V dort)) (PONCT .)) )\n"
GERMAN = "( (S (NP (ART Der) (NN Hund)) (VVFIN schlief) (ADV gestern) ($. .)) )\n"


def test_a_file_of_the_treebank_s_name_is_not_the_treebank(tmp_path):
    """Nor is a section 23 of three sentences section 23."""
    treebank = read_treebank(write(tmp_path, {"wsj_2300.mrg": plain(23, "a a", "b b", "c " * 11)}))
    assert treebank.name == f"treebank in {tmp_path}"
    assert {name: len(sentences) for name, sentences in treebank.splits.items()} == {"all": 3, "short": 2}
    assert treebank.default_split == "all"
    assert treebank.notice == (
        f"{tmp_path} is not the Penn Treebank by its tags and by the number of trees in its sections (1 file of "
        "bracketed trees, 3 sentences): figures on it are not those of the papers; tag set penn (the Penn Treebank), "
        "by its tags"
    )


def test_words_that_are_left_out_are_told_with_their_tags(tmp_path):
    treebank = read_treebank(write(tmp_path, {"wsj_0001.mrg": GERMAN * 3}), options=TreebankOptions(tags="penn"))
    assert words(treebank.split()) == ["hund"] * 3  # of four words
    assert treebank.notice.endswith(
        "; tag set penn (the Penn Treebank), as asked; 12 of 15 words (80.0%) are left out, because the Penn Treebank "
        "does not have their tags: $. 3, ADV 3, ART 3, VVFIN 3"
    )


def test_only_some_tags_are_named(tmp_path):
    signs = "".join(f"(T{number} a)" for number in range(20))
    bank = write(tmp_path, {"wsj_0001.mrg": f"(S (NN a) {signs})"})
    notice = read_treebank(bank, options=TreebankOptions(tags="penn")).notice
    assert "20 of 21 words (95.2%)" in notice
    assert notice.endswith("T14 1, T15 1 and 12 tags more")


def test_other_tags_make_another_treebank_whatever_its_size(whole):
    for path in whole.rglob("*.mrg"):
        path.write_text(path.read_text().replace("(NN b", "(NC b", 1))
    treebank = read_treebank(whole)
    assert list(treebank.splits) == ["all", "short"]
    assert "25 of 300 words (8.3%) are left out" in treebank.notice


def test_a_misprinted_tag_does_not(whole):
    write(whole, {"wsj/24/wsj_2401.mrg": plain(24, "a", "b " * 2_000).replace("(NN a", "(NP a", 1)})
    treebank = read_treebank(whole)
    assert list(treebank.splits) == ["train", "valid", "test", "wsj10"]
    assert "1 of 2,289 words (0.0%) are left out" in treebank.notice


def test_the_whole_treebank_has_the_usual_splits(whole):
    treebank = read_treebank(whole)
    assert treebank.notice == ""
    assert treebank.default_split == "test"
    assert {name: len(sentences) for name, sentences in treebank.splits.items()} == {
        "train": 40,
        "valid": 2,
        "test": 2,
        "wsj10": 25,
    }


def test_sentences_come_from_the_sections_of_their_split(tmp_path, monkeypatch):
    monkeypatch.setattr(penn, "TREES", {(0, 0): 1, (2, 21): 20, (22, 22): 1, (23, 23): 1, (24, 24): 1})
    letters = "abcdefghijklmnopqrstuvwxy"
    contents = {f"wsj_{n:02d}00.mrg": plain(n, letters[n] * 2) for n in reversed(range(25))}
    treebank = read_treebank(write(tmp_path, contents))

    def sections(split: str) -> str:
        return "".join(word[0] for sentence in treebank.splits[split] for word in sentence.words)

    assert sections("train") == letters[2:22]
    assert sections("valid") == letters[22]
    assert sections("test") == letters[23]
    assert sections("wsj10") == letters


def test_checksums_are_of_a_section_s_files_in_the_order_of_their_numbers(tmp_path):
    one, two = plain(0, "a"), plain(0, "b")
    treebank = read_treebank(write(tmp_path, {"z/wsj_0001.mrg": one, "a/WSJ_0002.MRG": two, "wsj_0100.mrg": one}))
    assert treebank.checksums == {
        "section 00": hashlib.sha256((one + two).encode()).hexdigest(),
        "section 01": hashlib.sha256(one.encode()).hexdigest(),
    }


def test_missing_sections_are_told_and_their_splits_are_not_there(whole):
    (whole / "wsj/07/wsj_0701.mrg").unlink()
    (whole / "wsj/23/wsj_2301.mrg").unlink()
    treebank = read_treebank(whole)
    assert list(treebank.splits) == ["valid", "wsj10"]
    assert treebank.notice == (
        f"{whole} is not the whole Penn Treebank (no section 07, 23): no split train, no split test, wsj10 not the "
        "paper's"
    )
    with pytest.raises(UserError, match="section 23, the test split, is missing or not whole; choose from valid, wsj"):
        treebank.split()


def test_a_section_of_another_length_is_told_and_is_no_split(whole):
    """Also where other sections are missing."""
    write(whole, {"wsj/23/wsj_2302.mrg": plain(23, "a"), "wsj/05/wsj_0502.mrg": plain(5, "a")})
    (whole / "wsj/00/wsj_0001.mrg").unlink()
    treebank = read_treebank(whole)
    assert list(treebank.splits) == ["valid", "wsj10"]
    assert (
        "(no section 00, sections 02-21 have 41 trees and not 40, section 23 has 3 trees and not 2): no split train, "
        "no split test, wsj10 not the paper's"
    ) in treebank.notice


def test_a_wsj10_of_another_length_is_told(whole, monkeypatch):
    monkeypatch.setattr(module, "WSJ10_SENTENCES", 26)
    assert read_treebank(whole).notice == f"{whole} has 25 sentences in wsj10, where the paper has 26"


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_treebank(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_folders_without_a_treebank_are_refused(tmp_path):
    formats = "the NEGRA export format, CoNLL-U, bracketed trees"
    assert "none: no such folder or file; put the treebank there" in refusal(tmp_path / "none")
    assert refusal(tmp_path) == f"{tmp_path}: has no file of a treebank ({formats}); is it the right folder?"
    write(tmp_path, {"file": "text", ".hidden.mrg": "(NN a)"})
    assert refusal(tmp_path / "file") == (
        f"{tmp_path / 'file'}: is not in a format of treebanks ({formats}); is it the right file?"
    )
    assert refusal(tmp_path).endswith("bracketed trees), only 1 others; is it the right folder?")
    write(tmp_path, {"ck01.mrg": "text"})
    assert "ck01.mrg: is not in a format of treebanks" in refusal(tmp_path)


def test_two_files_of_one_number_are_refused(tmp_path):
    write(tmp_path, {"a/wsj_0001.mrg": plain(0, "a"), "b/WSJ_0001.MRG": plain(0, "a")})
    assert refusal(tmp_path) == (
        f"{tmp_path}/a/wsj_0001.mrg and {tmp_path}/b/WSJ_0001.MRG are both file 0001 of the treebank; keep one of them"
    )


def test_a_damaged_file_is_named_with_its_line(tmp_path):
    write(tmp_path, {"wsj_0001.mrg": plain(0, "a"), "wsj_0002.mrg": plain(0, "a") + "(S (NN b)"})
    assert refusal(tmp_path).startswith(f"{tmp_path / 'wsj_0002.mrg'}, line 2: ")


def test_a_file_that_is_a_folder_is_named(tmp_path):
    (tmp_path / "wsj_0001.mrg").mkdir()
    assert f"{tmp_path / 'wsj_0001.mrg'}: cannot be read (Is a directory)" in refusal(tmp_path)


def test_a_treebank_without_any_of_the_tags_is_refused(tmp_path):
    write(tmp_path, {"wsj_0001.mrg": FRENCH})
    with pytest.raises(UserError) as caught:
        read_treebank(tmp_path, options=TreebankOptions(tags="penn"))
    assert str(caught.value) == (
        f"{tmp_path}: no word is left by the tag set penn; its tags are DET 1, NC 1, PONCT 1, V 1"
    )


@needs_data("treebank")
def test_the_real_sample_has_the_known_sentences():
    treebank = read_treebank(DATA / "treebank")
    assert {name: len(sentences) for name, sentences in treebank.splits.items()} == {"sample": 3_396, "wsj10": 490}
    first = treebank.splits["sample"][0]
    assert " ".join(first.words) == "pierre vinken N years old will join the board as a nonexecutive director nov. N"
    assert first.tree == (((0, 1), ((2, 3), 4)), (5, (6, (7, 8), (9, (10, 11, 12)), (13, 14))))
