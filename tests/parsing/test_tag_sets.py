"""What is a word, by the tags of five treebanks, by lists of the user's, and by characters."""

from pathlib import Path

import pytest

from app.common.errors import UserError
from app.common.spelling import Spelling
from app.parsing.gold import category
from app.parsing.penn_treebank import OTHER_TAGS, WORD_TAGS
from app.parsing.sentence_tables import read_words, words_csv
from app.parsing.tag_sets import CHARACTERS, NAMES, TAG_SETS, recognised_tag_set, tag_set
from app.parsing.tree_files import read_trees, write_trees
from app.parsing.treebank import NOT_CONSTITUENTS, Treebank, read_treebank
from app.parsing.treebank_options import TreebankOptions

AS_IT_IS = Spelling(lower_case=False, numbers=False, contractions=False)
SENTENCES = {
    "penn": "( (S (NP (DT The) (NN cat)) (VP (VBD paid) (NP ($ $) (CD 20) (-NONE- *U*))) (. .)) )",
    "ontonotes": "(TOP (S (NP (JJ well) (HYPH -) (VBN known)) (VP (VBZ is) (NP (ADD www.x.org))) (. .)))",
    "ctb": "( (IP (NP-SBJ (NR-SHORT 北) (-NONE- *pro*)) (VP (VV 去) (AS 了)) (PU 。)) )",
    "stts": "(VROOT (S (NP-SB (ART-NK##case=nom## Der) (NN-NK Hund)) (VVFIN-HD bellt)) ($. .) ($[ -LRB-))",
    "french": "(ROOT (SENT (NP-SUJ (DET##n=s## Le) (NC chat)) (VN (V dort)) (PONCT .)))",
    "ud": "(S (NP (DET the) (NOUN cat)) (VERB sat) (PUNCT .))",
}
WORDS = {
    "penn": "The cat paid 20",
    "ontonotes": "well known is www.x.org",
    "ctb": "北 去 了",
    "stts": "Der Hund bellt",
    "french": "Le chat dort",
    "ud": "the cat sat",
}


@pytest.mark.parametrize(
    ("label", "cut"),
    [("NP-SBJ-1", "NP"), ("NP=2", "NP"), ("NP##n=s##", "NP"), ("NP##", "NP"), ("-NONE-", "-NONE-"), ("-LRB-", "-LRB-")],
)
def test_labels_lose_function_tags_and_features(label: str, cut: str) -> None:
    assert category(label) == cut


def read(folder: Path, text: str, **options: object) -> Treebank:
    (folder / "a.mrg").write_text(text)
    return read_treebank(folder, AS_IT_IS, TreebankOptions(**options))  # type: ignore[arg-type]


def words(treebank: Treebank) -> str:
    return " ".join(treebank.split()[0].words)


@pytest.mark.parametrize("name", TAG_SETS)
def test_each_tag_set_is_recognised_and_says_what_a_word_is(tmp_path, name):
    treebank = read(tmp_path, SENTENCES[name])
    assert f"; tag set {name} ({TAG_SETS[name].about}), by its tags; " in treebank.notice
    assert words(treebank) == WORDS[name]


def test_tags_of_words_and_of_punctuation_are_different():
    for each in TAG_SETS.values():
        assert each.words.isdisjoint(each.punctuation | each.empty)


def test_the_tags_of_the_penn_treebank_are_the_authors():
    kinds = {tag: TAG_SETS["penn"].kind(tag, "x") for tag in WORD_TAGS | OTHER_TAGS}
    assert {tag for tag, kind in kinds.items() if kind == "word"} == WORD_TAGS
    assert not TAG_SETS["penn"].keeps_others


@pytest.mark.parametrize(
    ("name", "kept"),
    [("penn", "The cat paid $ 20 ."), ("ctb", "北 去 了 。"), ("stts", "Der Hund bellt . -LRB-")],
)
def test_punctuation_is_kept_and_traces_are_not(tmp_path, name, kept):
    treebank = read(tmp_path, SENTENCES[name], punctuation=True)
    assert words(treebank) == kept
    assert "kept as punctuation" in treebank.notice


def test_roots_are_no_constituents_and_labels_lose_functions(tmp_path):
    for name, label in {"ontonotes": "S", "ctb": "IP", "french": "SENT"}.items():
        (sentence,) = read(tmp_path, SENTENCES[name]).split()
        assert sentence.constituents[-1] == (label, 0, len(sentence.words))
    (german,) = read(tmp_path, SENTENCES["stts"]).split()
    assert german.constituents == (("NP", 0, 2), ("S", 0, 3))


def test_tags_that_a_set_does_not_have_are_kept_and_told(tmp_path):
    text = "(S " + "(NN a)(VVFIN b)(ART c)" * 10 + "(NEW d))"
    treebank = read(tmp_path, text)
    assert treebank.notice.endswith(
        "1 of 31 words (3.2%) are kept, although German treebanks: NEGRA, TIGER, SPMRL does not have their tags: NEW 1"
    )
    assert words(treebank).endswith("c d")


def test_unknown_tags_are_judged_by_characters(tmp_path):
    treebank = read(tmp_path, "(S (Q1 Ez) (Q2 50) (Q3 %) (Q4 -LRB-) (Q4 ...) (Q5 «) (Q6 $))")
    assert words(treebank) == "Ez 50 % $"
    assert "its tags are of no set that is known here, so that punctuation is what consists of it" in treebank.notice
    assert "3 of 7 words (42.9%) are left out as punctuation (Q4 2, Q5 1)" in treebank.notice


def test_trees_without_labels_are_read(tmp_path):
    (sentence,) = read(tmp_path, "((the cat) (sat .))\n(it (ran far))\n").split("all")[:1]
    assert sentence.words == ("the", "cat", "sat")
    assert sentence.tree == ((0, 1), 2)
    assert sentence.constituents == ()


@pytest.mark.parametrize("inline", [True, False])
def test_tags_of_the_user_s_own(tmp_path, inline):
    lists = {"punctuation": ["Q4"], "empty": ["Q2"]}
    (tmp_path / "tags.yaml").write_text("punctuation: [Q4]\nempty: [Q2]\n")
    (tmp_path / "bank").mkdir()
    choice = lists if inline else str(tmp_path / "tags.yaml")
    treebank = read(tmp_path / "bank", "(S (Q1 a) (Q2 b) (Q4-X c) (Q5 .))", tags=choice)
    assert words(treebank) == "a ."
    assert "(tags of your own), as asked; 1 of 3 words (33.3%) are left out as punctuation (Q4-X 1)" in treebank.notice


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("pen", f"--tags is 'pen'; expected {', '.join(NAMES)}, a YAML file, or lists such as"),
        ({"signs": ["."]}, "--tags: expected lists of tags under punctuation and empty"),
        ({}, "--tags: expected lists of tags under punctuation and empty"),
        ({"punctuation": "."}, r"--tags: punctuation is '\.'; expected a list of tags"),
        ({"punctuation": ["a", "b"], "empty": ["b"]}, "--tags: b is under punctuation and under empty"),
    ],
)
def test_a_wrong_choice_is_one_line(choice, message):
    with pytest.raises(UserError, match=message):
        tag_set(choice)


@pytest.mark.parametrize("content", ["3", "[a]", "punctuation: [1]", "a: [b", "\x00"])
def test_a_wrong_file_is_one_line(tmp_path, content):
    (tmp_path / "tags.yaml").write_text(content)
    with pytest.raises(UserError) as caught:
        tag_set(str(tmp_path / "tags.yaml"))
    assert len(str(caught.value).splitlines()) == 1
    assert "tags.yaml" in str(caught.value)


def test_the_set_that_knows_most_words_is_recognised():
    assert recognised_tag_set({"NN": 9, "-NONE-": 50, "PU": 1}).name == "ctb"
    assert recognised_tag_set({"NN": 9, ",": 1}).name == "penn"
    assert recognised_tag_set({"NN": 8, "Q": 2}) is CHARACTERS
    assert recognised_tag_set({"-NONE-": 2}) is CHARACTERS
    assert tag_set("characters") is CHARACTERS


def test_case_and_digits_are_the_vocabulary_s_unless_an_option_says_otherwise(tmp_path):
    text = SENTENCES["penn"]
    (tmp_path / "a.mrg").write_text(text)
    assert words(read_treebank(tmp_path)) == "the cat paid N"
    for options, expected in (
        ({"lower_case": False}, "The cat paid N"),
        ({"numbers": False}, "the cat paid 20"),
        ({"lower_case": False, "numbers": False}, "The cat paid 20"),
    ):
        assert words(read_treebank(tmp_path, options=TreebankOptions(**options))) == expected
    assert words(read_treebank(tmp_path, AS_IT_IS, TreebankOptions(lower_case=True, numbers=True))) == "the cat paid N"


CONLLU = "1\tDer\t_\tDET\t_\t_\t2\tdet\t_\t_\n2\tHund\t_\tNOUN\t_\t_\t3\tnsubj\t_\t_\n3\tbellt\t_\tVERB\t_\t_\t0\troot\t_\t_\n4\t.\t_\tPUNCT\t_\t_\t3\tpunct\t_\t_\n\n"  # noqa: E501


def test_dependencies_are_marked_as_what_they_are(tmp_path):
    for name in ("de-ud-train", "de-ud-dev", "de-ud-test"):
        (tmp_path / f"{name}.conllu").write_text(CONLLU * len(name))
    (tmp_path / "README.txt").write_text("text")
    treebank = read_treebank(tmp_path, AS_IT_IS)
    assert treebank.name == f"treebank in {tmp_path}, {NOT_CONSTITUENTS}"
    assert treebank.notice == (
        f"{tmp_path} has dependency subtrees (UD), not constituents (3 files of CoNLL-U, 30 sentences, and 1 file of "
        "something else, not read): figures on it are not those of the papers; tag set ud (Universal Dependencies), "
        "by its tags; 30 of 120 words (25.0%) are left out as punctuation (PUNCT 30)"
    )
    assert {name: len(sentences) for name, sentences in treebank.splits.items()} == {
        **{"all": 30, "short": 30, "valid": 9, "test": 10, "train": 11}
    }
    assert treebank.default_split == "test"
    (sentence, *_) = treebank.split()
    assert sentence.tree == ((0, 1), 2)
    assert sentence.constituents == (("nsubj", 0, 2), ("root", 0, 3))


def test_dependencies_and_constituents_do_not_mix(tmp_path):
    (tmp_path / "b.conllu").write_text(CONLLU)
    with pytest.raises(UserError, match=r"has constituents \(.*a\.mrg\) and dependencies \(.*b\.conllu\); name a"):
        read(tmp_path, SENTENCES["ud"])


def test_an_encoding_of_before_is_told_with_its_line(tmp_path):
    (tmp_path / "a.fid").write_bytes(f"<S ID=1>\n{SENTENCES['ctb']}\n</S>\n".encode("gb18030"))
    with pytest.raises(UserError, match=r"a\.fid, line 2: not UTF-8 .*name the encoding .* --encoding gb18030"):
        read_treebank(tmp_path)


def test_one_file_is_a_treebank_too(tmp_path):
    (tmp_path / "all.txt").write_text(SENTENCES["french"])
    treebank = read_treebank(tmp_path / "all.txt", AS_IT_IS)
    assert words(treebank) == WORDS["french"]
    assert list(treebank.checksums) == ["all.txt"]


def test_brackets_that_are_words_are_read_back_from_what_parse_writes(tmp_path):
    """With punctuation kept, `-LRB-` is a word, which tree files are read with as a bracket."""
    gold = read(tmp_path, SENTENCES["stts"], punctuation=True).split()
    flags = [[False] * len(sentence.words) for sentence in gold]
    (tmp_path / "words.csv").write_text(words_csv(gold, flags, [{"layer 1": [0.5] * len(each)} for each in flags]))
    (tmp_path / "gold.txt").write_text(write_trees([(sentence.words, sentence.tree) for sentence in gold]))
    (again,) = read_trees(tmp_path / "gold.txt")
    assert again.words == ("Der", "Hund", "bellt", ".", "(")
    assert read_words(tmp_path / "words.csv", [again.words]).distances["layer 1"] == [[0.5] * 5]
