"""The English grammar of the package generates what its comments claim."""

from collections import Counter
from itertools import islice, pairwise

import numpy as np
import pytest

from app.grammar.inside import Inside
from app.grammar.pcfg import PCFG
from app.grammar.reading import ENGLISH, read_pcfg
from app.grammar.sampling import Node, leaves, sample
from app.parsing.baselines import baseline_trees
from app.parsing.gold import gold_sentence
from app.parsing.scores import score


@pytest.fixture(scope="module")
def english() -> PCFG:
    return read_pcfg(ENGLISH)


@pytest.fixture(scope="module")
def inside(english) -> Inside:
    return Inside(english)


@pytest.fixture(scope="module")
def trees(english) -> list[Node]:
    return list(islice(sample(english, 0), 2_000))


# The constructions of Marvin and Linzen 2018, and more: a sentence, and an ungrammatical one that differs in few words.
PAIRS = """
the boy laughs | the boy laugh
the boys laugh | the boys laughs
every girl sleeps | every girls sleep
these girls sleep | these girl sleeps
a teacher says that the boys laugh | a teacher says that the boys laughs
some teachers think the boy laughs | some teachers think the boy laugh
the dog sleeps and follows the cat | the dog sleeps and follow the cat
the dogs see the very small cat in a park and follow her | the dogs see the very small cat in a park and follows her
the farmer near the students smiles | the farmer near the students smile
the farmers with the student smile | the farmers with the student smiles
the queen that likes the boys waits | the queen that likes the boys wait
the queen that likes the boys waits | the queen that like the boys waits
the queens that the boy likes wait | the queens that the boy likes waits
the queens the boy likes wait | the queens the boy like wait
the king and the queen dance | the king and the queen dances
the boy admires himself | the boy admires themselves
the boys admire themselves | the boys admire himself
mary admires herself | mary admires himself
the boy near the girls admires himself | the boy near the girls admires themselves
the teachers say that the woman helps herself | the teachers say that the woman helps themselves
the woman that the kings like helps herself | the woman that the kings like helps themselves
no student ever smiles | the student ever smiles
no students that the doctor likes ever smile | the students that no doctor likes ever smile
in the park he sees the dogs | in the park him sees the dogs
near the house a happy cat waits | near a happy cat waits
anna 's brother 's friend gives the book to them | anna 's brother 's friend gives to them
the girl 's dog is proud of the small horse | the girl 's dog is proud the small horse
they want the letters | the letters want they
""".strip().splitlines()


@pytest.mark.parametrize("pair", PAIRS)
def test_minimal_pairs(inside, pair):
    good, bad = (half.split() for half in pair.split(" | "))
    possible, impossible = inside.log_probabilities([good, bad])
    assert np.isfinite(possible)
    assert impossible == -np.inf


def test_words_of_a_pair_of_categories_are_as_frequent(english):
    """Singular and plural differ only in the words, not in the number of words."""
    for left, rules in english.rules.items():
        if left.startswith("V_") and left.endswith("_sg"):
            plural = english.rules[f"{left.removesuffix('_sg')}_pl"]
            assert [rule.probability for rule in rules] == [rule.probability for rule in plural], left
            assert not {rule.right for rule in rules} & {rule.right for rule in plural}, left


def test_it_is_small_and_its_sentences_are_short(english, trees):
    assert 140 <= len(english.words) <= 170
    lengths = np.array([len(leaves(tree)) for tree in trees])
    assert 9 < lengths.mean() < 12
    assert (lengths > 30).mean() < 0.02
    assert lengths.max() < 80


def test_it_has_what_it_claims(trees):
    sentences = [leaves(tree) for tree in trees]
    found = Counter(word for words in sentences for word in set(words))
    for word in (
        "'s",
        "that",
        "and",
        "or",
        "ever",
        "no",
        "himself",
        "herself",
        "themselves",
        "often",
        "very",
        "to",
        "of",
    ):
        assert found[word] >= 10, word
    first = Counter(tree[1][0][0] for tree in trees)
    assert first["PP_loc"] > 100  # fronted
    assert any({"ever", "that", "no"} <= set(words) for words in sentences)
    for before, after in (pair for words in sentences for pair in pairwise(words)):
        assert before != "a" or after[0] not in "aeiou"


def test_its_labels_are_the_treebanks_and_it_is_neither_right_nor_left_branching(trees):
    gold = [sentence for tree in trees if (sentence := gold_sentence(tree, keep_all=True))]
    labels = {label.partition("_")[0] for sentence in gold for label, _, _ in sentence.constituents}
    assert labels == {"S", "SBAR", "NP", "VP", "PP", "ADJP"}
    f1 = {
        name: score(baseline_trees(name, gold), gold).sentence_f1
        for name in ("right-branching", "left-branching", "balanced")
    }
    assert f1["right-branching"] < 0.40
    assert f1["left-branching"] < 0.28
    assert f1["balanced"] < 0.40
    assert score(baseline_trees("binary oracle", gold), gold).sentence_f1 > 0.8
