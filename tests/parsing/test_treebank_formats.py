"""Every format reads what was written in it, and refuses a mangled file in one line that names the line."""

import random
import re

import pytest
from helpers.treebanks import leaves_of, phrases_of, tags, to_brackets, to_conllu, to_export, trees, words
from hypothesis import given
from hypothesis import strategies as st
from nltk import DependencyGraph
from nltk import Tree as NLTKTree

from app.common.errors import UserError
from app.parsing.discontinuous import DiscontinuousTree
from app.parsing.gold import gold_sentence
from app.parsing.treebank_formats import FORMATS, TreebankFormat, brackets, conllu, export, recognise
from app.parsing.trees import GoldSentence, Node


def every_word(tag: str, word: str) -> bool:
    return True


def prepared(tree: Node | DiscontinuousTree) -> GoldSentence:
    node = tree.continuous(every_word).node if isinstance(tree, DiscontinuousTree) else tree
    assert node is not None
    sentence = gold_sentence(node, keep_all=True)
    assert sentence is not None
    return sentence


def assert_same(found: Node | DiscontinuousTree, tree: Node) -> None:
    sentence = prepared(found)
    assert list(sentence.words) == [word for _, word in leaves_of(tree)]
    assert sorted(sentence.constituents) == sorted(phrases_of(tree))


roots = st.sampled_from(["{}", "( {} )", "(TOP {})", "(ROOT {})", "( (TOP {}) )", "<S ID=1>\n( {} )\n</S>"])


@given(st.lists(trees, min_size=1, max_size=4), st.sampled_from([" ", "\n  "]), roots)
def test_brackets_are_read_back(forest, space, root):
    text = "\n".join(root.format(to_brackets(tree, space)) for tree in forest)
    assert recognise(text) is brackets.FORMAT
    for found, tree in zip(brackets.read(text, "a.mrg"), forest, strict=True):
        assert_same(found, tree)


@given(trees)
def test_brackets_are_read_as_nltk_reads_them(tree):
    text = f"( {to_brackets(tree)} )"
    (theirs,) = NLTKTree.fromstring(text)
    (ours,) = brackets.read(text, "a.mrg")
    assert [word for _, word in leaves_of(ours)] == theirs.leaves()
    spans = sorted(
        (subtree.label(), len(subtree.leaves())) for subtree in theirs.subtrees() if len(subtree.leaves()) > 1
    )
    assert sorted((label, end - start) for label, start, end in phrases_of(ours)) == spans


@given(st.lists(trees, min_size=1, max_size=4), st.sampled_from([3, 4]), st.booleans())
def test_the_export_format_is_read_back(forest, version, says_it):
    head = f"%% a comment\n#FORMAT {version}\n#BOT ORIGIN\n1 x\n#EOT ORIGIN\n" if says_it else ""
    text = head + "".join(to_export(tree, number, version) for number, tree in enumerate(forest, 1))
    assert recognise(text) is export.FORMAT
    for found, tree in zip(export.read(text, "a.export"), forest, strict=True):
        assert_same(found, tree)


def some_heads(count: int, seed: int) -> list[int]:
    """Heads of a tree over words, projective or not: every word hangs below one that was chosen before it."""
    draw = random.Random(seed)
    order = draw.sample(range(1, count + 1), count)
    heads = {order[0]: 0}
    for at, word in enumerate(order[1:], 1):
        heads[word] = draw.choice(order[:at])
    return [heads[word] for word in range(1, count + 1)]


sentences = st.lists(st.tuples(tags, words), min_size=1, max_size=9)


@given(st.lists(st.tuples(sentences, st.integers(0, 999)), min_size=1, max_size=3))
def test_dependencies_are_their_subtrees_as_nltk_has_them(drawn):
    forest = [(sentence, some_heads(len(sentence), seed)) for sentence, seed in drawn]
    text = "".join(to_conllu(sentence, heads) for sentence, heads in forest)
    assert recognise(text) is conllu.FORMAT
    for found, (sentence, heads) in zip(conllu.read(text, "a.conllu"), forest, strict=True):
        rows = zip(sentence, heads, strict=True)
        graph = DependencyGraph(
            "\n".join(f"{word}\t{tag}\t{head}\tROOT" for (tag, word), head in rows), cell_separator="\t"
        )
        covered = {at: subtree(graph, at) for at in range(1, len(sentence) + 1)}
        assert isinstance(found, DiscontinuousTree)
        node, phrases, gaps = found.continuous(every_word)
        assert phrases == sum(len(places) > 1 for places in covered.values())
        whole = {at: places for at, places in covered.items() if max(places) - min(places) + 1 == len(places)}
        assert gaps == sum(len(places) > 1 and at not in whole for at, places in covered.items())
        expected = [
            ("root" if heads[at - 1] == 0 else f"rel{at}", min(places) - 1, max(places))
            for at, places in whole.items()
            if len(places) > 1
        ]
        assert node is not None
        sentence_found = prepared(node)
        assert sorted(sentence_found.constituents) == sorted(expected)
        assert list(sentence_found.words) == [word for _, word in sentence]


def subtree(graph: DependencyGraph, at: int) -> set[int]:
    below = [word for words in graph.nodes[at]["deps"].values() for word in words]
    return {at}.union(*(subtree(graph, word) for word in below))


@given(trees, st.integers(0, 2**16), st.integers(0, 2**16))
def test_phrases_are_left_out_only_if_they_have_gaps(tree, seed, kept):
    """Words of a continuous tree in another order, of which some are kept: by sets of words, in plain loops."""
    (read,) = export.read(to_export(tree, 1, 3), "")
    assert isinstance(read, DiscontinuousTree)
    count = len(read.words)
    order = random.Random(seed).sample(range(count), count)
    mixed = DiscontinuousTree(
        [(str(at), read.words[at][1]) for at in order], [read.word_parents[at] for at in order], read.phrases
    )
    keep = [at for at in order if kept >> (at % 16) & 1]
    covered: dict[int, set[int]] = {phrase: set() for phrase in range(len(read.phrases))}
    for rank, at in enumerate(keep):
        phrase = read.word_parents[at]
        while phrase != -1:
            covered[phrase].add(rank)
            phrase = read.phrases[phrase][1]
    several = {phrase: ranks for phrase, ranks in covered.items() if len(ranks) > 1}
    whole = {p: ranks for p, ranks in several.items() if max(ranks) - min(ranks) + 1 == len(ranks)}
    node, phrases, gaps = mixed.continuous(lambda tag, word: int(tag) in keep)
    assert (phrases, gaps) == (len(several), len(several) - len(whole))
    if not keep:
        assert node is None
        return
    assert node is not None
    sentence = prepared(node)
    assert sentence.words == tuple(read.words[at][1] for at in keep)
    expected = [(read.phrases[phrase][0], min(ranks), max(ranks) + 1) for phrase, ranks in whole.items()]
    assert sorted(sentence.constituents) == sorted(expected)


texts = {
    "a.mrg": "( (S (NP (DT the) (NN cat)) (VP (VBD sat))) )\n( (S (NP (PRP it)) (VP (VBD ran))) )\n",
    "a.txt": "((the cat) sat)\n(it (ran (very far)))\n",
    "a.export": "#FORMAT 3\n#BOS 1\nDas\tPDS\t--\tSB\t500\ngeht\tVVFIN\t--\tHD\t500\n#500\tS\t--\t--\t0\n#EOS 1\n",
    "a.conllu": to_conllu([("DET", "the"), ("NOUN", "cat"), ("VERB", "sat")], [2, 3, 0]),
}


@given(st.sampled_from(sorted(texts)), st.data())
def test_a_mangled_file_is_read_or_refused_in_one_line(name, data):
    text = texts[name]
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 6)))
        text = text[:start] + data.draw(st.sampled_from(["", "(", ")", "\t", "\n", "0", "#", "9", " x "])) + text[end:]
    form = recognise(texts[name])
    assert form is not None
    assert_read_or_refused(form, text, name)


@given(st.sampled_from((*FORMATS, brackets.UNLABELLED)), st.text("()#\t\n 19.-BOSEFRMATab_\x85", max_size=60))
def test_any_text_is_read_or_refused_in_one_line(form, text):
    assert_read_or_refused(form, text, "a")


def assert_read_or_refused(form: TreebankFormat, text: str, name: str) -> None:
    try:
        found = form.read(text, name)
    except UserError as error:
        message = str(error)
    else:
        assert found
        assert all(prepared(tree).words for tree in found)
        return
    assert re.match(rf"{name}(, line \d+)?: ", message)
    assert len(message.splitlines()) == 1


def lines(*rows: str) -> str:
    """Rows whose columns are separated by blanks."""
    return "\n".join("\t".join(row.split()) if not row.startswith("#BOS") else row for row in rows) + "\n"


def row(number: str, head: str, relation: str = "dep", form: str = "a") -> str:
    return "\t".join([number, form, "_", "X", "_", "_", head, relation, "_", "_"])


@pytest.mark.parametrize(
    ("form", "text", "message"),
    [
        (export, lines("#FORMAT 3", "a NN -- -- 0"), ", line 2: 'a\\tNN\\t--\\t--\\t0' is outside all sentences"),
        (export, lines("#BOS 1", "a NN -- -- 0"), ", line 1: sentence 1 has no #EOS"),
        (export, lines("#BOS 1", "#BOS 2"), ", line 2: sentence 1 of line 1 has no #EOS before this"),
        (export, lines("#BOS 1", "a NN -- -- 0", "#EOS 2"), ", line 3: #EOS 2 ends no sentence that was begun by"),
        (export, lines("#FORMAT 4", "#BOS 1", "a NN -- -- 0", "#EOS 1"), ", line 3: has 5 columns; version 4 of the"),
        (export, lines("#BOS 1", "a NN -- -- 501", "#EOS 1"), ", line 2: the parent of 'a' is '501', which the"),
        (export, lines("#BOS 1", "a NN -- -- 0", "#500 S -- -- 0", "#EOS 1"), ", line 3: #500 is empty"),
        (
            export,
            lines("#BOS 1", "a NN -- -- 500", "#500 S -- -- 501", "#501 S -- -- 500", "#EOS 1"),
            ", line 3: #500 is above itself",
        ),
        (
            export,
            lines("#BOS 1", "a NN -- -- 500", "#500 S -- -- 0", "#500 S -- -- 0", "#EOS 1"),
            ", line 4: #500 is there twice in the sentence",
        ),
        (export, "#BOT X\n", ", line 1: the table that begins here has no #EOT"),
        (export, "#FORMAT 3\n", ": has no tree; is it the right file?"),
        (conllu, row("1", "0") + "\n" + row("3", "1") + "\n", ", line 2: the number of the word is '3'; expected 2"),
        (conllu, row("1", "1|2") + "\n", ", line 1: the head of word 1 is '1|2'; expected the number of one word"),
        (conllu, row("1", "2") + "\n", ", line 1: the head of word 1 is 2; the sentence has 1 words"),
        (conllu, f"{row('1', '0')}\n{row('2', '0')}\n", ", line 2: word 2 is a second root beside word 1; expected"),
        (conllu, f"{row('1', '2')}\n{row('2', '1')}\n", ", line 1: word 1 depends on itself, through its heads"),
        (conllu, "1\ta\t_\n", ", line 1: has 3 columns between tabs; CoNLL-U has 10"),
        (conllu, row("1", "0", form=" ") + "\n", ", line 1: word 1 has no form"),
        (conllu, row("1", "0", "_") + "\n", ", line 1: word 1 has no relation to its head"),
        (conllu, f"{row('2-3', '_')}\n{row('1', '0')}\n", ", line 1: the range 2-3 does not begin with the word that"),
        (conllu, f"{row('1-2', '_')}\n{row('1', '0')}\n\n", ", line 3: the sentence ends before word 2, the last of a"),
        (conllu, "# text = a\n\n", ": has no tree; is it the right file?"),
        (brackets, "(S (NN a)\n", ", line 1: the bracket that opens here is never closed"),
        (brackets, "(S (NN a) b)\n", ", line 1: 'b' has no part-of-speech tag"),
    ],
)  # fmt: skip
def test_messages_name_the_line(form, text, message):
    with pytest.raises(UserError) as caught:
        form.read(text, "a")
    assert str(caught.value).startswith(f"a{message}")


def test_ranges_and_empty_nodes_are_no_words():
    text = "\n".join(
        [row("1", "3", form="Er"), row("2-3", "_", "_", form="gehts"), row("2", "3", form="geht"),
         row("3", "0", "root", form="es"), row("3.1", "_", "_", form="und"), ""]
    )  # fmt: skip
    (tree,) = conllu.read(text, "a")
    assert prepared(tree).words == ("Er", "geht", "es")


def test_white_space_within_a_word_becomes_a_no_break_space():
    (tree,) = conllu.read(row("1", "0", form="1 000") + "\n", "a")
    assert prepared(tree).words == ("1\N{NO-BREAK SPACE}000",)


def test_the_tag_is_the_language_s_own_where_there_is_no_universal_one():
    (tree,) = conllu.read(row("1", "0").replace("\tX\t_", "\t_\tNN") + "\n", "a")
    assert isinstance(tree, DiscontinuousTree)
    assert tree.words == [("NN", "a")]


def test_sentences_of_the_export_format_may_have_names():
    text = "%% word\ttag\tmorph\tedge\tparent\tsecedge\n#BOS a_01/4\na\tNN\t--\t--\t0\n#EOS a_01/4\n"
    assert recognise(text) is export.FORMAT
    assert export.read(text, "a") == [DiscontinuousTree([("NN", "a")], [-1], [])]


def test_secondary_edges_comments_and_blanks_of_the_export_format():
    text = "#BOS 1 2 3 1 %% checked\na NN -- SB 500 OA 500 %% sure\n#500 S -- -- 0 %% also\n#EOS 1\n"
    (tree,) = export.read(text, "a")
    assert tree == DiscontinuousTree([("NN", "a")], [0], [("S", -1)])


def test_trees_without_labels():
    text = "(he (gave (the man) (a book)))\n((a b) (c d))\n\n((a b) c)\n"
    found = [" ".join(prepared(tree).words) for tree in brackets.read_unlabelled(text, "a")]
    assert found == ["he gave the man a book", "a b c d", "a b c"]
    assert [prepared(tree).constituents for tree in brackets.read_unlabelled(text, "a")] == [()] * 3
    with pytest.raises(UserError, match=r"^a, line 3: 1 of the brackets opened are never closed"):
        brackets.read_unlabelled("((a b) c)\n\n((a b)\n", "a")


def test_features_and_functions_of_spmrl_are_cut():
    (tree,) = brackets.read("( (NP-SUJ##num=sg## (DET##lemma=le|g=m## le) (NC-X##a## chat)) )", "a")
    assert prepared(tree).constituents == (("NP", 0, 2),)


@pytest.mark.parametrize(
    "text", ["", "a cat sat\n", "1\ta\n", "# README\n\n(not a tree)\n", "(c) 2005\nThis is the\ntreebank (of X).\n"]
)
def test_other_files_are_not_recognised(text):
    assert recognise(text) is None
