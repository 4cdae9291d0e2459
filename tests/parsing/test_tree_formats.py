"""Trees of anybody's parser: every format read, recognised and refused in one line."""

import json
import re
from pathlib import Path

import pytest
from helpers.trees import seeds, some_tree, spans, zigzag
from hypothesis import example, given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.parsing.brackets import brackets
from app.parsing.tree_files import write_trees
from app.parsing.tree_formats import FORMATS, read_any
from app.parsing.tree_formats.any_tree import AnyTree, tree_of_spans
from app.parsing.trees import Tree, tokens

WORDS = ("the", "cat", "sat", "on", "it")
TREE: Tree = ((0, 1), (2, (3, 4)))
# One sentence of five words, and one of a single word, in every format.
TEXTS = {
    "unlabelled": "((the cat) (sat (on it)))\nyes\n",
    "labelled": "(NT-3 (NT-1 (T-1 the) (T-5 cat)) (NT-2 (T-2 sat) (NT-4 (T-2 on) (T-9 it))))\n(S (T-1 yes))\n",
    "json_lines": '{"example_id": "7", "tree": [["the", "cat"], ["sat", ["on", "it"]]]}\n{"tree": "yes"}\n',
    "nested_lists": "[['the', 'cat'], ['sat', ['on', \"it\"]]]\n'yes'\n",
    "transitions": "0 0 1 0 0 0 1 1 1\n0\n",
    "spans": '{"words": ["the", "cat", "sat", "on", "it"], "spans": [[0, 2], [2, 5], [3, 5], [0, 5]]}\n'
    '{"words": "yes", "spans": []}\n',
    "inclusive_spans": '{"words": "the cat sat on it", "spans": [[0, 1], [2, 4], [3, 4], [0, 4]]}\n'
    '{"words": "yes", "spans": [[0, 0]]}\n',
}


def read(text: str, directory: Path, form: str | None = None) -> tuple[str, list[AnyTree]]:
    (directory / "trees").write_text(text)
    return read_any(directory / "trees", form)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_recognised_and_read(form: str, tmp_path: Path) -> None:
    for named in (None, form):
        found, (tree, one) = read(TEXTS[form], tmp_path, named)
        assert found == form
        assert (tree.tree, tree.length, tree.line) == (TREE, 5, 1)
        assert (one.tree, one.length, one.line) == (0, 1, 2)
        assert (tree.words, one.words) == ((None, None) if form == "transitions" else (WORDS, ("yes",)))


@pytest.mark.parametrize(
    ("text", "form", "tree"),
    [
        ("( ( the cat ) sat )", "unlabelled", ((0, 1), 2)),
        ("(('the', 'cat'), 'sat')", "nested_lists", ((0, 1), 2)),
        ("('the', ('cat', 'sat'))", "nested_lists", (0, (1, 2))),
        ("[[0, 1], 2]", "nested_lists", ((0, 1), 2)),
        ("[[0, 1], [2, 3]]", "nested_lists", ((0, 1), (2, 3))),
        ("[[0, 2], [0, 3]]", "spans", ((0, 1), 2)),
        ("[[0, 1], [0, 2], [2, 2]]", "inclusive_spans", ((0, 1), 2)),
        ('{"words": "it is so nice .", "spans": [[1, 2], [2, 4]]}', "spans", (0, 1, (2, 3), 4)),  # to the full stop
        ("(NP##f=suj## (D##a=b## le) (N le))", "labelled", (0, 1)),
        ("SHIFT SHIFT REDUCE", "transitions", (0, 1)),
        ("[0, 0, 1, 0, 1]", "transitions", ((0, 1), 2)),
        ('{"tree": "((the cat) sat)"}', "json_lines", ((0, 1), 2)),
        ('{"tree": [[0, 1], 2], "tokens": ["the", "cat", "sat"]}', "json_lines", ((0, 1), 2)),
        ("(TOP\n  (S (NP (DT the) (NN cat))\n     (VP (VBD sat))))", "labelled", ((0, 1), 2)),
        ("yes", "unlabelled", 0),
    ],
)
def test_other_layouts(text: str, form: str, tree: Tree, tmp_path: Path) -> None:
    found, (one,) = read(text, tmp_path)
    assert (found, one.tree) == (form, tree)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("(S (NP (DT the) (NN cat)) (VP (VBD sat))))\n", "line 1"),
        ("(S (NP (DT the) (NN cat))\n  (VP (VBD sat)))\n\n(S ())\n", "line 4"),
        ("((the cat) sat))\n", "line 1"),
        ("()\n", "line 1"),
    ],
)
def test_a_bracket_too_many_and_an_empty_one_are_named(text: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"^{tmp_path / 'trees'}, {what}: "):
        read(text, tmp_path)


def test_some_of_many_labels_may_have_small_letters(tmp_path: Path) -> None:
    line = "(SENT (NP (D le) (N chat)) (VPinf (V dormir) (PP (P sur) (NP (D la) (N table)))))\n"
    assert read(line.lower(), tmp_path)[0] == "unlabelled"  # too few trees to know
    for text in (line, line.lower() * 3):
        form, trees = read(text, tmp_path)
        assert (form, trees[-1].tree) == ("labelled", ((0, 1), (2, (3, (4, 5)))))


def test_labels_tags_and_empty_elements(tmp_path: Path) -> None:
    text = "\n( (S (NP-SBJ-1 (-NONE- *)) (VP (VB go) (NP (-LRB- -LRB-) (NN home)) (. .))) )\n"
    _, (tree,) = read(text, tmp_path)
    assert tree.line == 2
    assert tree.words == ("go", "(", "home", ".")
    assert tree.tags == ("VB", "-LRB-", "NN", ".")
    assert tree.empty == 1
    assert sorted(tree.phrases) == [("NP", 1, 3), ("S", 0, 4), ("VP", 0, 4)]
    assert tree.tree == (0, (1, 2), 3)
    left = tree.without([False, True, False, True])
    assert left is not None
    assert (left.words, left.tags, left.tree) == (("go", "home"), ("VB", "NN"), (0, 1))
    assert sorted(left.phrases) == [("NP", 1, 2), ("S", 0, 2), ("VP", 0, 2)]
    assert tree.without([True] * 4) is None
    assert tree.sentence(tree.words).constituents == tree.phrases


@given(st.integers(1, 12), seeds)
def test_a_tree_is_made_from_its_spans(words: int, seed: int) -> None:
    tree = some_tree(words, seed)
    assert tree_of_spans(words, reversed(spans(tree))) == tree


@given(st.integers(2, 10), seeds, st.data())
@example(3, 0, None)
def test_words_that_are_left_out_leave_the_other_brackets(words: int, seed: int, data: st.DataObject | None) -> None:
    tree = some_tree(words, seed)
    out = data.draw(st.lists(st.booleans(), min_size=words, max_size=words)) if data else [True, False, False]
    left = AnyTree(line=1, words=tuple(map(str, range(words))), length=words, tree=tree).without(out)
    kept = [word for word in range(words) if not out[word]]
    if not kept:
        assert left is None
        return
    assert left is not None
    assert left.words == tuple(map(str, kept))
    expected = {tuple(word for word in kept if start <= word < end) for start, end in spans(tree)}
    assert {tuple(kept[start:end]) for start, end in brackets(left.tree)} == {
        each for each in expected if len(each) > 1
    }


WRITERS = {
    "unlabelled": lambda words, tree: write_trees([(words, tree)]).strip(),
    "nested_lists": lambda words, tree: repr(nested(words, tree)),
    "json_lines": lambda words, tree: json.dumps({"tree": nested(words, tree)}),
    "spans": lambda words, tree: json.dumps({"words": words, "spans": [list(span) for span in spans(tree)]}),
}


def nested(words: list[str], tree: Tree) -> object:
    return [nested(words, child) for child in tree] if isinstance(tree, tuple) else words[tree]


some_words = st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=4))


@given(some_words.filter(bool), seeds, st.sampled_from(sorted(WRITERS)))
@example(["don't", '"', "\\", "]", ")"], 1, "nested_lists")
@example(["a", "b"], 1, "spans")
def test_what_is_written_is_read_back(words: list[str], seed: int, form: str) -> None:
    words = [word.replace("-LRB-", "x").replace("-RRB-", "x") for word in words]
    tree = some_tree(len(words), seed)
    (found,) = FORMATS[form].read(WRITERS[form](words, tree), "trees")
    assert (found.words, found.tree) == (tuple(words), tree)


def test_deep_trees_do_not_overflow_the_stack() -> None:
    text = write_trees([(("a",) * 2_000, zigzag(2_000))])
    quoted = re.sub("a", "'a'", text).replace(" ", ", ")
    (tree,) = FORMATS["nested_lists"].read(quoted, "trees")
    assert list(tokens(tree.tree)) == list(tokens(zigzag(2_000)))
    with pytest.raises(UserError, match="line 1: nested too deeply for JSON"):
        FORMATS["json_lines"].read('{"tree": ' + "[" * 100_000 + '"a"' + "]" * 100_000 + "}", "trees")


@pytest.mark.parametrize(
    ("form", "text", "said"),
    [
        (None, " \n", "the file is empty"),
        ("brackets", "a", "there is no format 'brackets'; choose from json_lines"),
        (None, "[[0, 2],\n [0, 3]]", "line 1: 1 of its lists are never closed"),
        ("json_lines", "\n\n{}", 'line 3: has no "tree"'),
        ("json_lines", "[1]", "line 1: not an object"),
        ("json_lines", '{"tree": ["a", []]}', "line 1: a list is empty"),
        ("json_lines", '{"tree": ["a", 2.5]}', "line 1: 2.5 is neither a word nor a list"),
        ("json_lines", '{"tree": ["a", true]}', "line 1: True is neither a word nor a list"),
        ("json_lines", '{"tree": [0, 1], "words": ["a"]}', "line 1: the tree is over 2 words, and there are 1"),
        ("json_lines", '{"tree": [0, 1], "words": [1, 2]}', "line 1: its words are neither a list of words nor a text"),
        ("nested_lists", "['a', b]", r"line 1: 'b\]' is neither a list, a word in quotes nor a number"),
        ("nested_lists", "['a', 'b')", r"line 1: '\)' closes no list that is open"),
        ("nested_lists", "['a'] ['b']", "line 1: has 2 trees; write one tree per line"),
        ("nested_lists", "['a', 1]", "line 1: has words and numbers"),
        ("nested_lists", "[0, 2]", "line 1: its numbers are not 0, 1, 2"),
        ("nested_lists", r"['\x']", "line 1: .* is not a word in quotes"),
        ("labelled", "(S (A b)\n(C d)", "line 1: the bracket that opens here is never closed"),
        ("labelled", "(S (A b) c)", "line 1: 'c' has no part-of-speech tag"),
        ("labelled", "(S (A b))\n(S (-NONE- *))", "line 2: a tree without words"),
        ("transitions", "0 1", "line 1: REDUCE where fewer than two trees wait"),
        ("transitions", "0 1 1\n", "line 1: REDUCE where"),
        ("transitions", "0 0", "line 1: 2 trees are left at its end"),
        ("transitions", "0 0 2", "line 1: '2' is no transition"),
        ("spans", "[[0, 2], [1, 3]]", "line 1: the spans 0 to 2 and 1 to 3 cross"),
        ("spans", '{"words": "a b", "spans": [[0, 3]]}', "line 1: the span 0 to 3 is not within the 2 words"),
        ("spans", "[[0, 0], [0, 1]]", "line 1: a span ends before it begins; are the ends last words"),
        ("spans", "[]", "line 1: has neither words nor spans"),
        ("spans", "[[0]]", "line 1: expected spans such as"),
        ("spans", "[[0, -1]]", "line 1: expected spans such as"),
    ],
)
def test_a_mistake_is_one_line(form: str | None, text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said) as caught:
        read(text, tmp_path, form)
    assert "\n" not in str(caught.value)


pieces = st.sampled_from(
    ["(", ")", "[", "]", "{", "}", '"', "'", ",", ":", " ", "\n", "0", "1", "2", "a", '"tree"', "S"]
)


@given(st.lists(pieces).map("".join), st.sampled_from([None, *FORMATS]))
def test_anything_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, text: str, form: str | None
) -> None:
    directory = tmp_path_factory.getbasetemp()
    said, trees = "", []
    try:
        _, trees = read(text, directory, form)
    except UserError as error:
        said = str(error)
    assert "\n" not in said
    for tree in trees:
        assert tree.words is None or len(tree.words) == tree.length
        assert all(0 <= start < end <= tree.length for start, end in brackets(tree.tree))


@pytest.mark.parametrize(
    ("form", "asked", "said"),
    [
        ("unlabelled", "spans", "not JSON .*; the file seems to be in the format unlabelled, and not spans"),
        ("labelled", "json_lines", "not JSON .*; the file seems to be in the format labelled, and not json_lines"),
        ("spans", "transitions", "; the file seems to be in the format spans, and not transitions"),
    ],
)
def test_another_format_than_the_named_one_is_told(form: str, asked: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^{tmp_path / 'trees'}, line 1: .*{said}$"):
        read(TEXTS[form], tmp_path, asked)
