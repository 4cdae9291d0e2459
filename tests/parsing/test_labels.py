"""Whether brackets have labels is told by their content, for labels in any letters and a few trees or many."""

import pytest
from helpers.treebanks import leaves, nodes, to_brackets
from helpers.trees import seeds, some_tree
from hypothesis import assume, given
from hypothesis import strategies as st

from app.parsing.labels import MANY, evidence
from app.parsing.tree_files import TOKEN, write_trees

WORDS = ("the", "cat", "of", "my", "aunt", "sat", "on", "it", "I", "saw", "N", "years", "ago", ",", "yes", "BBC")
# A phrase of several phrases at the top, and another below it.
sentences = st.tuples(st.just("S"), st.tuples(st.tuples(st.just("NP"), st.tuples(leaves, nodes)), nodes))


def verdict(text: str) -> tuple[bool, bool]:
    return evidence(TOKEN.findall(text)).verdict()


@given(st.lists(sentences, min_size=1, max_size=4))
def test_labels_in_capital_letters_are_told_by_a_tree(forest):
    text = "\n".join(map(to_brackets, forest))
    assume(not any(word.isascii() and word.isupper() for word in text.replace("(", " ").split() if word in WORDS))
    small = [(label, children) for label, children in forest]
    assert verdict("\n".join(to_brackets(tree) for tree in small))[0]


@given(st.lists(sentences, min_size=3, max_size=30))
def test_labels_in_small_letters_are_told_by_three_trees(forest):
    text = "\n".join(map(to_brackets, forest)).lower()
    assert verdict(text) == (True, len(forest) >= MANY)


@given(st.lists(st.tuples(st.integers(1, len(WORDS)), seeds), min_size=1, max_size=30))
def test_binary_trees_have_none(drawn):
    forest = [some_tree(words, seed) for words, seed in drawn]
    assert not verdict(write_trees((WORDS[:words], tree) for (words, _), tree in zip(drawn, forest, strict=True)))[0]


@pytest.mark.parametrize(
    ("text", "labelled", "certain"),
    [
        ("(S (NN a) b)", True, True),  # and the mistake in it will be told
        ("(s (np (dt the) (nn cat)) (vp sat))\n" + "(s (np (dt the) (nn cat)) (vp (vb sat)))\n" * 19, True, True),
        ("(S (NP (DT the) (NN cat)) (VP (VBD sat)))", True, True),
        ("(s (np (dt the) (nn cat)) (vp (vbd sat)))", False, False),
        ("(s (np (dt the) (nn cat)) (vp (vbd sat)))\n" * 3, True, False),
        ("(s (np (dt the) (nn cat)) (vp (vbd sat)))\n" + "(s (intj (uh yes)))\n" * 30, True, True),
        ("(S (NP (DT THE) (NN CAT)) (VP (VBD SAT)))", True, False),
        ("((the cat) sat)", False, True),
        ("((the cat) (saw (a dog)))", False, True),
        ("(the (cat sat))\n" * MANY, False, True),  # right-branching
        ("((THE CAT) SAT)", False, True),
        ("((N years) ago)", False, True),
        ("(he (gave (the man) (a book)))", False, False),
        ("yes", False, True),
        ("( (INTJ (UH Yes)) )", True, False),
        ("(NP##f=suj## (D##a=b## le) (N le))", True, True),
    ],
)
def test_by_hand(text, labelled, certain):
    assert verdict(text) == (labelled, certain)


def test_evidence_adds_up():
    one, several = evidence(TOKEN.findall("(s (a b) (c d))")), evidence(TOKEN.findall("(s (a b) (c d))" * 19))
    assert one.verdict() == (False, False)
    one.add(several)
    assert one.verdict() == (True, True)
    assert one == evidence(TOKEN.findall("(s (a b) (c d))" * 20))
