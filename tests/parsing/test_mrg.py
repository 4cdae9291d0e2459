import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.parsing.mrg import parse_mrg

names = st.text(st.characters(exclude_characters="() \t\n\r\f\v", exclude_categories=["Cs"]), min_size=1, max_size=4)
leaves = st.builds(lambda tag, word: (tag, [word]), names, names)
trees = st.recursive(
    leaves,
    lambda inner: st.builds(lambda label, children: (label, children), names, st.lists(inner, min_size=1, max_size=4)),
    max_leaves=12,
)
END = "$"
fragments = st.lists(st.sampled_from(["(", ")", "(a ", "( ", "(b c)", "(b\nc)", "b ", "((b c))"]), max_size=8).map(
    "".join
)
spaces = st.sampled_from(["", " ", "\n", "\r\n\t  "])


def parse(text: str) -> list:
    return parse_mrg(text.encode(), "a.mrg")


def refusal(content: bytes) -> str:
    """The error message, which must be one line."""
    with pytest.raises(UserError) as caught:
        parse_mrg(content, "a.mrg")
    message = str(caught.value)
    assert message.startswith("a.mrg")
    assert len(message.splitlines()) == 1
    return message.removeprefix("a.mrg")


def recursive_descent(text: str) -> list | None:
    """Parse shallow trees by recursive descent, as in a textbook; None if the text is not in the format.

    text: tree+     tree: "(" node+ ")" | node     node: "(" NAME node+ ")" | "(" NAME NAME ")"
    """
    tokens = [*re.findall(r"[()]|[^()\s]+", text), END]
    at = 0

    def next_is(*, name: bool) -> bool:
        return (tokens[at] not in ("(", ")", END)) if name else tokens[at] == "("

    def node(*, label_needed: bool):
        nonlocal at
        at += 1
        label = ""
        if next_is(name=True):
            label, at = tokens[at], at + 1
        elif label_needed:
            raise SyntaxError
        children: list = []
        if label and next_is(name=True):
            children, at = [tokens[at]], at + 1
        else:
            while next_is(name=False):
                children.append(node(label_needed=True))
        if not children or tokens[at] != ")":
            raise SyntaxError
        at += 1
        return children[0] if not label and len(children) == 1 else (label, children)

    found = []
    try:
        while next_is(name=False):
            found.append(node(label_needed=False))
    except SyntaxError:
        return None
    return found if found and tokens[at] == END else None


def test_reads_a_sentence_as_the_treebank_writes_it():
    text = """
( (S
    (NP-SBJ-1 (DT The) (NNS dogs) )
    (VP (VBP bark)
      (S (NP-SBJ (-NONE- *-1) )))
    (. .) ))
"""
    dogs = ("NP-SBJ-1", [("DT", ["The"]), ("NNS", ["dogs"])])
    bark = ("VP", [("VBP", ["bark"]), ("S", [("NP-SBJ", [("-NONE-", ["*-1"])])])])
    assert parse(text) == [("S", [dogs, bark, (".", ["."])])]


def test_reads_trees_with_and_without_an_outermost_bracket():
    assert parse("(NN a) ( (NN b) )((X(NN c)(NN d)))") == [
        ("NN", ["a"]),
        ("NN", ["b"]),
        ("X", [("NN", ["c"]), ("NN", ["d"])]),
    ]


def test_an_outermost_bracket_around_several_trees_stays():
    assert parse("( (X (NN a)) (. .) )") == [("", [("X", [("NN", ["a"])]), (".", ["."])])]


def test_a_mark_at_the_beginning_and_spaces_that_must_not_break_are_no_separators():
    assert parse("\ufeff(CD 1\u00a01/2)") == [("CD", ["1\u00a01/2"])]


@given(st.lists(trees, min_size=1, max_size=4), st.data())
def test_reads_back_what_was_written(forest, data):
    def written(node) -> str:
        label, children = node
        if isinstance(children[0], str):
            inside = data.draw(st.sampled_from([" ", "\n  "])) + children[0]
        else:
            inside = "".join(data.draw(spaces) + written(child) for child in children)
        return f"({data.draw(spaces)}{label}{inside}{data.draw(spaces)})"

    text = ""
    for tree in forest:
        outermost = ("( ", " )") if data.draw(st.booleans()) else ("", "")
        text += outermost[0] + written(tree) + outermost[1] + data.draw(spaces)
    assert parse(text) == forest


@given(st.binary(max_size=60) | st.text("()( ab\n\x85", max_size=60).map(str.encode))
def test_any_content_is_read_or_refused_in_one_line(content):
    try:
        found = parse_mrg(content, "a.mrg")
    except UserError:
        refusal(content)
    else:
        assert found


@given(st.lists(fragments, max_size=8).map("".join))
@example("(a (b c)(b c))(b c)")
@example("((b c)(a (b c)))")
@example("(a ((b c)))")
def test_reads_what_a_textbook_parser_reads_and_nothing_else(text):
    expected = recursive_descent(text)
    if expected is None:
        refusal(text.encode())
    else:
        assert parse(text) == expected


def test_the_depth_of_a_tree_is_no_limit():
    depth = 20_000
    (node,) = parse("(X " * depth + "(NN a)" + ")" * depth)
    for _ in range(depth):
        assert node[0] == "X"
        ((node),) = node[1]
    assert node == ("NN", ["a"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": has no tree; is it the right file?"),
        (" \n\n", ": has no tree; is it the right file?"),
        ("(NN a)\n( )", ", line 2: an empty tree"),
        ("( (S\n (NP)))", ", line 2: the bracket 'NP' is empty"),
        ("\nword (NN a)", ", line 2: 'word' is outside all brackets"),
        ("(NN a)\n\n(NN b))", ", line 3: closes a bracket that was never opened"),
        ("(NN a)\n(S\n (NN b)", ", line 2: the bracket that opens here is never closed"),
        (
            "( (S (NN a))\n( (S (NN b)))",
            ", line 2: a bracket without a label; or was the tree of line 1 not closed before it?",
        ),
        ("(S\n(NP the cat))", ", line 2: 'the' has no part-of-speech tag; write (TAG word)"),
        ("(NP (DT the)\ncat)", ", line 2: 'cat' has no part-of-speech tag; write (TAG word)"),
    ],
)
def test_messages_name_the_line(text, message):
    assert refusal(text.encode()) == message


def test_what_is_not_utf8_is_told_with_its_line():
    assert refusal(b"(NN a)\n(NN \xe9)") == ", line 2: not UTF-8 (invalid continuation byte); save the file as UTF-8"
    assert refusal(b"\xef\xbb\xbf\n\n\xff").startswith(", line 3: not UTF-8")


def test_a_message_stays_short_whatever_the_word():
    assert len(refusal(b"x" * 10_000)) < 100
