"""evalb's arithmetic, against its own steps done plainly here: reading, deleting, matching bracket by bracket."""

import math
import random
from dataclasses import replace
from itertools import product

import pytest
from helpers.trees import seeds, some_tree, spans
from hypothesis import assume, given
from hypothesis import strategies as st

from app.parsing.evalb import evalb
from app.parsing.scores import score
from app.parsing.tree_formats import FORMATS, AnyTree

# As COLLINS.prm has them.
DELETE = ("TOP", "-NONE-", ",", ":", "``", "''", ".")
EQUAL = {"ADVP", "PRT"}
TAGS = ("NN", "VB", ".", ",", "-LRB-", "''")
LABELS = ("S", "NP", "NP-SBJ", "NP=2", "ADVP", "PRT", "TOP")


def steps(text: str) -> tuple[list[str], list[list]]:
    """Words and brackets [label, start, end] of a tree, as evalb's read_line and massage_data leave them."""
    parts = text.replace("(", " ( ").replace(")", " ) ").split()
    words: list[str] = []
    brackets: list[list] = []
    stack: list[int] = []
    at = 0
    while at < len(parts):
        if parts[at] == "(" and parts[at + 2] != "(":  # a word under its tag
            if parts[at + 1] not in DELETE:
                words.append(parts[at + 2])
            at += 4
        elif parts[at] == "(":
            brackets.append([parts[at + 1], len(words), None])
            stack.append(len(brackets) - 1)
            at += 2
        else:
            brackets[stack.pop()][2] = len(words)
            at += 1
    kept = []
    for label, start, end in brackets:
        cut = min((label.find(sign) for sign in "-=" if sign in label), default=len(label))
        if start != end and label[:cut] not in DELETE:
            kept.append([label[:cut], start, end])
    return words, kept


def count(predicted: str, gold: str, *, labelled: bool) -> tuple[int, int, int, int]:
    """Matched, predicted and gold brackets, and predicted ones that cross a gold one."""
    (words, ours), (same, theirs) = steps(predicted), steps(gold)
    assert words == same
    taken: set[int] = set()
    for label, start, end in theirs:
        for number, (name, first, last) in enumerate(ours):
            equal = not labelled or name == label or {name, label} == EQUAL
            if number not in taken and (first, last) == (start, end) and equal:
                taken.add(number)
                break
    crossing = 0
    for _, first, last in ours:
        for _, start, end in theirs:
            if start < first < end < last or first < start < last < end:
                crossing += 1
                break
    return len(taken), len(ours), len(theirs), crossing


def written(tree, tags, draw: random.Random) -> str:
    """A tree with labels, some of them over one child alone."""

    def over(node) -> str:
        if not isinstance(node, tuple):
            text = f"({tags[node]} w{node})"
        else:
            text = f"({draw.choice(LABELS)} {' '.join(map(over, node))})"
        return f"({draw.choice(LABELS)} {text})" if draw.random() < 0.3 else text

    return f"(TOP {over(tree)})"


@given(st.lists(st.tuples(st.integers(1, 8), seeds), min_size=1, max_size=4), st.booleans())
def test_counts_are_those_of_evalb(several, labelled: bool) -> None:
    texts: tuple[list[str], list[str]] = ([], [])
    for words, seed in several:
        draw = random.Random(seed)
        tags = draw.choices(TAGS, k=words)
        for lines in texts:
            lines.append(written(some_tree(words, draw.randrange(1 << 30)), tags, draw))
    predicted, gold = (FORMATS["labelled"].read("\n".join(lines), "x") for lines in texts)
    found = evalb(predicted, gold, labelled=labelled)
    each = [count(ours, theirs, labelled=labelled) for ours, theirs in zip(*texts, strict=True)]
    sums = tuple(map(sum, zip(*each, strict=True)))
    assert (found.matched, found.predicted, found.gold, found.crossing) == sums
    assert found.sentences == len(several)
    assert found.complete == sum(one[0] == one[1] == one[2] for one in each)
    assert found.without_crossing == sum(one[3] == 0 for one in each)
    if sums[0]:
        recall, precision = sums[0] / sums[2], sums[0] / sums[1]
        assert (found.recall, found.precision) == (recall, precision)
        assert found.f1 == pytest.approx(2 * precision * recall / (precision + recall))


@given(st.lists(st.tuples(st.integers(2, 9), seeds, seeds), min_size=1, max_size=4))
def test_brackets_alone_are_the_scores_with_root(several) -> None:
    trees = [(some_tree(words, one), some_tree(words, other)) for words, one, other in several]

    def lines(side: int) -> str:
        return "\n".join(repr(pair[side]) for pair in trees)

    predicted, gold = (FORMATS["nested_lists"].read(lines(side), "x") for side in (0, 1))
    found = evalb(predicted, gold, labelled=False)
    scores = score([ours for ours, _ in trees], [tree.sentence(["a"] * tree.length) for tree in gold])
    assert found.f1 == pytest.approx(scores.corpus_f1_root)
    assert found.gold == sum(len(spans(theirs)) for _, theirs in trees)


def test_by_hand() -> None:
    gold = "(TOP (S (NP (DT the) (NN cat)) (VP (VBD sat) (PRT (RP down)) (, ,) (ADVP (RB there))) (. .)))"
    predicted = "(S (NP (DT the) (NN cat)) (S (VP (VBD sat) (ADVP (RP down)) (, ,)) (NP (RB there))) (. .))"
    trees = [FORMATS["labelled"].read(text, "x") for text in (predicted, gold)]
    both = [evalb(*trees, labelled=labelled) for labelled in (False, True)]
    # Gold: S 0-5, NP 0-2, VP 2-5, PRT 3-4, ADVP 4-5; predicted: S 0-5, NP 0-2, S 2-5, VP 2-4, ADVP 3-4, NP 4-5.
    assert [(each.matched, each.predicted, each.gold) for each in both] == [(5, 6, 5), (3, 6, 5)]
    assert [(each.crossing, each.complete) for each in both] == [(0, 0)] * 2


def test_trees_without_tags_are_scored_by_what_they_can_have() -> None:
    gold = FORMATS["labelled"].read("(S (NP (NN a) (NN b)) (, ,) (VP (VP (VB c))) (. .))", "x")
    same = FORMATS["unlabelled"].read("(((a b) (, c)) .)", "x")  # over a b c, as before it without the full stop
    other = FORMATS["unlabelled"].read("((a (b (, c))) .)", "x")
    found = [evalb(each, gold, labelled=False) for each in (same, other)]
    assert [(each.matched, each.predicted, each.gold) for each in found] == [(2, 2, 2), (1, 2, 2)]


@given(st.lists(st.tuples(st.integers(2, 9), seeds, seeds, st.integers(0, 511)), min_size=1, max_size=4))
def test_without_tags_it_is_the_score_with_root_of_what_is_left(several) -> None:
    kept = [item for item in several if sum(not item[3] >> word & 1 for word in range(item[0])) > 0]
    assume(kept)
    predicted: list[AnyTree] = []
    gold: list[AnyTree] = []
    left: tuple[list[AnyTree], list[AnyTree]] = ([], [])
    for words, one, other, out in kept:
        deleted = [bool(out >> word & 1) for word in range(words)]
        ours, theirs = (AnyTree(line=1, words=None, length=words, tree=some_tree(words, seed)) for seed in (one, other))
        predicted.append(ours)
        gold.append(replace(theirs, tags=tuple("," if each else "NN" for each in deleted)))
        for trees, tree in zip(left, (ours, theirs), strict=True):
            trees.append(tree.without(deleted))
    found = evalb(predicted, gold, labelled=False)
    scores = score([tree.tree for tree in left[0]], [tree.sentence(["a"] * tree.length) for tree in left[1]])
    assert found.f1 == pytest.approx(0 if math.isnan(scores.corpus_f1_root) else scores.corpus_f1_root)


def test_no_bracket() -> None:
    trees = FORMATS["unlabelled"].read("a\n", "x")
    found = evalb(trees, trees, labelled=False)
    assert (found.recall, found.precision, found.f1) == (0, 0, 0)
    assert list(product([found.complete], [found.without_crossing])) == [(1, 1)]
