import re
from itertools import product
from pathlib import Path

import pytest
from helpers.trees import leaves, seeds, some_tree, zigzag
from hypothesis import example, given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.parsing.tree_files import parse_trees, read_trees, write_trees
from app.parsing.tree_formats import labelled
from app.parsing.trees import tokens

EXAMPLE = "((the cat) (sat (on (the mat))))\nyes\n(no -LRB-sic-RRB-)\n"
SENTENCES = [
    (("the", "cat", "sat", "on", "the", "mat"), ((0, 1), (2, (3, (4, 5))))),
    (("yes",), 0),
    (("no", "(sic)"), (0, 1)),
]
# Without R, because a word that itself spells -LRB- is read back as the bracket.
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=" \t\n\r\f\vR"), min_size=1, max_size=4)
sentences = st.builds(
    lambda words, seed: (tuple(words), some_tree(len(words), seed)), st.lists(words, min_size=1, max_size=9), seeds
)
MARK = b"\xef\xbb\xbf"  # the byte order mark


def parsed(content: bytes) -> list[tuple[tuple[str, ...], object]]:
    return [(sentence.words, sentence.tree) for sentence in parse_trees(content, "a.txt")]


def test_by_hand():
    assert write_trees(SENTENCES) == EXAMPLE
    assert parsed(EXAMPLE.encode()) == SENTENCES
    assert all(sentence.constituents == () for sentence in parse_trees(EXAMPLE.encode(), "a.txt"))


@given(st.lists(sentences, min_size=1, max_size=5))
@example([(("\ufeffa", "\xa0", "\u2028"), ((0, 1), 2))])
@example([(("B", "0", "A", "0"), (0, 1, (2, 3)))])  # words that could be labels are none
def test_what_is_written_is_read_back(several):
    text = write_trees(several)
    assert text.count("\n") == len(several)
    assert parsed(MARK + text.encode()) == several


@pytest.mark.parametrize("content", [b"((a b) c)\r\na\r\n", MARK + b"((a b) c)\na", b"( (a\tb )c) \n  a  \n"])
def test_other_editors_and_other_spacing(content):
    assert parsed(content) == [(("a", "b", "c"), ((0, 1), 2)), (("a",), 0)]


@pytest.mark.parametrize(
    ("line", "tree"),
    [
        ("(a)", 0),
        ("((a))", 0),
        ("((a b))", (0, 1)),
        ("((a) ((b) (c d)))", (0, (1, (2, 3)))),
        ("(((a b c)))", (0, 1, 2)),
    ],
)
def test_brackets_around_one_thing_are_left_out(line, tree):
    ((_, found),) = parsed(line.encode())
    assert found == tree


def is_tree(text: str) -> bool:
    """A word, or a bracket around trees: brackets are replaced by words from the inside until nothing changes."""
    while (shorter := re.sub(r"\((w ?)+\)", "w ", text).strip()) != text.strip():
        text = shorter
    return text.strip() == "w"


def test_every_short_line_is_a_tree_or_refused():
    accepted = 0
    for line in ("".join(line) for length in range(1, 8) for line in product(("(", ")", "w "), repeat=length)):
        if is_tree(line):
            accepted += 1
            ((words, tree),) = parsed(line.encode())
            assert len(words) == line.count("w") == len(leaves(tree))
        else:
            with pytest.raises(UserError, match=r"^a\.txt, line 1: "):
                parsed(line.encode())
    assert accepted == 17  # 1, 0, 1, 1, 2, 4 and 8 of 1 to 7 tokens


fragments = st.lists(st.sampled_from(["(", ")", "a", " ", "\n", "\r", "\t", "\0", "-LRB-", "é", "(b c)", "\ufeff"]))


@given(fragments.map(lambda parts: "".join(parts).encode()) | st.binary() | st.text().map(str.encode))
def test_anything_is_read_or_refused_in_one_line(content):
    try:
        found = parsed(content)
    except UserError as error:
        refusal = str(error)
    else:
        refusal = ""
        text = write_trees(found)
        assert parsed(MARK + text.encode()) == found
        assert text.count("\n") == content.count(b"\n") + (not content.endswith(b"\n"))
    assert re.fullmatch(r"(a\.txt(, line \d+)?: .+)?", refusal)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "a.txt: the file is empty"),
        (MARK, "a.txt: the file is empty"),
        (b"\n", "line 1: the line is empty"),
        (b"(a b)\n\n(a b)\n", "line 2: the line is empty"),
        (b"(a b)\n \t\r\n", "line 2: the line is empty"),
        (b"(a b)\n\n", "line 2: the line is empty"),
        (b"(a b)\n((a b) c\n", "line 2: 1 of the brackets opened are never closed"),
        (b"((a\n", "line 1: 2 of the brackets opened are never closed"),
        (b"(a b))\n", r"line 1: '\)' follows the end of the tree"),
        (b"(a b) c\n", "line 1: 'c' follows the end of the tree"),
        (b"the cat sat\n", "line 1: 'cat' follows the end of the tree"),
        (b"(a b)(c d)\n", r"line 1: '\(' follows the end of the tree"),
        (b")a(\n", r"line 1: the line begins with '\)'"),
        (b"(a ())\n", "line 1: a bracket is empty"),
        (b"()\n", "line 1: a bracket is empty"),
        (b"(a b)\n(c \xff)\n", "line 2: byte 4 is not UTF-8"),
        (b"\xff\xfe(\x00a\x00)\x00", "line 1: byte 1 is not UTF-8"),
    ],
)
def test_a_malformed_line_is_told(content, said):
    with pytest.raises(UserError, match=said):
        parsed(content)


def test_the_line_is_told_where_the_file_begins_with_a_mark():
    with pytest.raises(UserError, match="line 2: the line is empty"):
        parsed(MARK + b"a\n\n")


@pytest.mark.parametrize("word", ["", " ", "a b", "a\n", "\t", "a\r"])
def test_a_word_that_would_be_read_as_another_is_not_written(word):
    with pytest.raises(UserError, match=re.escape(f"the word {word!r} cannot be written to a tree file")):
        write_trees([(("a", word), (0, 1))])


def test_a_deep_tree_does_not_overflow_the_stack():
    sentence = (tuple(map(str, range(2_000))), zigzag(2_000))
    text = write_trees([sentence])
    ((words, tree),) = parsed(text.encode())
    assert words == sentence[0]
    assert list(tokens(tree)) == list(tokens(sentence[1]))
    with pytest.raises(UserError, match="never closed"):
        parsed(text.replace(")", "").encode())
    assert parsed(b"(" * 10_000 + b"a" + b")" * 10_000) == [(("a",), 0)]


def test_a_file_is_read(tmp_path: Path):
    (tmp_path / "a.txt").write_text(EXAMPLE)
    assert [(sentence.words, sentence.tree) for sentence in read_trees(tmp_path / "a.txt")] == SENTENCES
    (tmp_path / "b.txt").write_bytes(b"a\n\xff")
    with pytest.raises(UserError, match=f"^{tmp_path / 'b.txt'}, line 2: byte 1 is not UTF-8"):
        read_trees(tmp_path / "b.txt")


@pytest.mark.parametrize("name", ["missing.txt", "."])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str):
    with pytest.raises(UserError, match=f"^{tmp_path / name}: cannot be read"):
        read_trees(tmp_path / name)


@pytest.mark.parametrize(
    "line",
    [
        "(A (B (C D)))",  # a chain, which right-branching trees over words have as well
        "(A (B C) d (E F))",  # a word beside brackets
        "(a (b c) (d e))",  # labels in small letters, of one tree
        "((A B) (C D))",
        "(A (B C) (D E F))",
    ],
)
def test_trees_without_labels_stay_so(line: str) -> None:
    assert not labelled.recognises(line)
    (sentence,) = parse_trees(line.encode(), "x")
    assert sentence.constituents == ()
    assert list(sentence.words) == line.replace("(", " ").replace(")", " ").split()
