import gc
import hashlib
import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.common.errors import UserError
from app.grammar import reading
from app.grammar.pcfg import Symbol
from app.grammar.reading import read_pcfg

CATEGORIES = ["S", "NP", "N_sg", "VP/NP", "A<b>", "9", "_x", "É"]
WORDS = ["the", "'s", "don't", "[0.5]", "|", "#", "->", "S", "%start", "é", "("]

# Left side to its alternatives, each with a weight; right sides of 1 to 4 symbols.
symbols = st.one_of(
    st.sampled_from(CATEGORIES).map(lambda name: Symbol(name, is_word=False)),
    st.sampled_from(WORDS).map(lambda name: Symbol(name, is_word=True)),
)
weighted = st.dictionaries(
    st.lists(symbols, min_size=1, max_size=4).map(tuple), st.integers(1, 9), min_size=1, max_size=4
)
grammars = st.dictionaries(st.sampled_from(CATEGORIES), weighted, min_size=1)


def spelt(symbol: Symbol) -> str:
    return (f'"{symbol.name}"' if "'" in symbol.name else f"'{symbol.name}'") if symbol.is_word else symbol.name


def refusal(read, text: str) -> str:
    """The error message, which must be one line, without the name of the file."""
    with pytest.raises(UserError) as caught:
        read(text)
    message = str(caught.value)
    assert "\n" not in message
    path, found, rest = message.partition("some.pcfg")
    assert path.startswith("/")
    assert found
    return rest.removeprefix(", ").removeprefix(": ")


def test_a_file_in_nltks_format_is_read(read, grammar_file):
    text = """
    # A comment, and an empty line

    S -> NP VP [.9] | PP NP VP [0.1]
    NP -> 'the' N [0.4]|"a" N[0.6]
    VP -> "sleeps" [1.] \r
    PP->  'in'  NP  [1.0]
    N -> 'dog' [0.2] | 'cat' \\
         [0.3]
    N -> "dog" 's' [0.5]
    """
    grammar = read(text)
    word, category = (lambda name: Symbol(name, is_word=True)), (lambda name: Symbol(name, is_word=False))
    assert grammar.start == "S"
    assert grammar.source == str(grammar_file)
    assert grammar.sha256 == hashlib.sha256(grammar_file.read_bytes()).hexdigest()
    assert grammar.words == ("the", "a", "sleeps", "in", "dog", "cat", "s")
    assert [(rule.left, rule.right, rule.probability, rule.line) for rule in grammar] == [
        ("S", (category("NP"), category("VP")), 0.9, 4),
        ("S", (category("PP"), category("NP"), category("VP")), 0.1, 4),
        ("NP", (word("the"), category("N")), 0.4, 5),
        ("NP", (word("a"), category("N")), 0.6, 5),
        ("VP", (word("sleeps"),), 1.0, 6),
        ("PP", (word("in"), category("NP")), 1.0, 7),
        ("N", (word("dog"),), 0.2, 8),
        ("N", (word("cat"),), 0.3, 8),
        ("N", (word("dog"), word("s")), 0.5, 10),
    ]


def test_a_start_can_be_declared(read):
    assert read("N -> 'dog' [1.0]\n%start S\nS -> N [0.5] | 'the' N [0.5]").start == "S"


def test_nobody_can_change_a_grammar(read):
    with pytest.raises(TypeError):
        read("S -> 'a' [1.0]").rules["S"] = ()


@given(grammar=grammars, data=st.data())
@settings(max_examples=50)
def test_what_is_written_in_any_layout_is_what_is_read(read, grammar, data):
    space = st.sampled_from(["", " ", "\t ", " \\\n ", "\\\n\t"])
    blank = st.sampled_from(["\n", "\n\n", " \n# 'a' -> [7]\n", "\r\n"])
    lines, expected = [], {}
    for left, alternatives in grammar.items():
        total = sum(alternatives.values())
        rest = list(alternatives.items())
        while rest:  # alternatives are spread over one line or many
            count = data.draw(st.integers(1, len(rest)), label="alternatives of a line")
            sides = []
            for right, weight in rest[:count]:
                between = data.draw(st.sampled_from([" ", "  ", "\t"]))
                sides.append(f"{between.join(map(spelt, right))}{data.draw(space)}[{weight / total:.17f}]")
                expected[left, right] = weight / total
            del rest[:count]
            separator = data.draw(space) + "|" + data.draw(space)
            lines.append(f"{left}{data.draw(space)}->{data.draw(space)}{separator.join(sides)}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "check", lambda grammar: None)  # random grammars are seldom valid
        found = read("".join(line + data.draw(blank) for line in lines))
    assert {(rule.left, rule.right): rule.probability for rule in found} == pytest.approx(expected, rel=1e-12)
    assert found.start == next(iter(grammar))


def check_or_refuse(read, text: str) -> None:
    """The text is a grammar whose probabilities sum to 1, or the error message is one line."""
    try:
        grammar = read(text)
    except UserError:
        refusal(read, text)
    else:
        for rules in grammar.rules.values():
            assert sum(rule.probability for rule in rules) == pytest.approx(1, abs=1e-12)


@given(text=st.text(st.sampled_from("SNV->|[].019'\"ab_ \\\n#%é\x85\u2028\0"), max_size=60) | st.text(max_size=60))
def test_any_text_is_a_grammar_or_one_clear_line(read, text):
    check_or_refuse(read, text)


SOUND = "S -> NP 'sleeps' [0.5] | NP 'sings' [0.5]\n\nNP -> 'he' [0.25] | 'she' [0.75]\n"
slips = st.text(st.sampled_from("SN->|[].5'\" \\\n"), max_size=3)


@given(at=st.integers(0, len(SOUND)), cut=st.integers(0, 3), put=slips)
def test_a_slip_of_the_keyboard_is_a_grammar_or_one_clear_line(read, at, cut, put):
    check_or_refuse(read, SOUND[:at] + put + SOUND[at + cut :])


@pytest.mark.parametrize(
    ("text", "where", "reason"),
    [
        ("", "", "has no rules; expected"),
        ("# nothing\n\n", "", "has no rules; expected"),
        ("\nS - NP [1.0]", "line 2: ", "'S - NP [1.0]' does not begin with a category and an arrow"),
        ("'S' -> NP [1.0]", "line 1: ", "does not begin with a category"),
        ("S -> 'a' [1.0]\n%strat S", "line 2: ", "'%strat S' is not understood"),
        ("S -> 'a'", "line 1: ", "or a probability such as [0.5], found the end of the line"),
        ("S -> 'a' | 'b' [0.5]", "line 1: ", "found \"| 'b' [0.5]\""),
        ("S -> 'a' [0.5] 'b' [0.5]", "line 1: ", "follows a probability; expected |"),
        ("S -> 'a' [1.0] # why", "line 1: ", "'# why' follows a probability"),
        ("S -> 'a [1.0]", "line 1: ", "found \"'a [1.0]\""),
        ("S -> , [1.0]", "line 1: ", "found ', [1.0]'"),
        ("S -> 'a' [1e-1] | 'b' [0.9]", "line 1: ", "found \"[1e-1] | 'b' [0.9]\""),
        ("S -> 'a' [0.5.0]", "line 1: ", "[0.5.0] is not a number"),
        ("S -> 'a' [0.0] | 'b' [1.0]", "line 1: ", "[0.0] is not above 0"),
        ("S -> 'a' [1.5]", "line 1: ", "[1.5] is not above 0 and at most 1"),
        ("S -> [1.0]", "line 1: ", "an alternative is empty"),
        ("S -> 'a' [1.0] |", "line 1: ", "an alternative is empty"),
        ("S -> 'a b' [1.0]", "line 1: ", "'a b' is not one word"),
        ("S -> '' [1.0]", "line 1: ", "'' is not one word"),
        ("S -> ' a' [1.0]", "line 1: ", "' a' is not one word"),
        ("S -> '<unk>' [1.0]", "line 1: ", "<unk> is reserved for the language model"),
        ("S -> '<eos>' [1.0]", "line 1: ", "<eos> is reserved"),
        ("S -> 'a' [0.5]\nS -> 'b' [0.25]\nS -> 'a' [0.25]", "line 3: ", "of S is already in line 1"),
        ("S -> A [1.0]\nA -> 'a' [0.5]\nA -> 'b' [0.4]", "line 2: ", "the probabilities of A sum to 0.9"),
        ("S -> 'a' [1.0]\n\n%start T", "", "the start T has no rules"),
        ("S -> 'a' [0.5]\nS -> 'a' B [0.5]", "line 2: ", "B has no rules"),
        ("S -> 'a' [1.0]\nA -> B [1.0]\nB -> A [0.5] | 'b' [0.5]", "line 2: ", "A is in no sentence of S"),
        ("S -> 'a' [0.9] | A [0.1]\nA -> B [1.0]\nB -> A [1.0]", "line 2: ", "A never ends in words"),
        ("S -> S S [0.5] | 'a' [0.5]", "line 1: ", "S recurs too often"),
        ("S -> 'a' A [1.0]\nA -> B C [1.0]\nB -> A A [0.6] | 'b' [0.4]\nC -> 'c' [1.0]", "line 2: ", "A recurs"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(read, text, where, reason):
    message = refusal(read, text)
    assert message.startswith(where)
    assert reason in message


def test_a_long_line_is_cut_in_the_message(read):
    assert len(refusal(read, "S -> 'a' [1.0] " + "x" * 10_000)) < 150


@pytest.mark.parametrize("separator", [" | ", " \\\n| "])
def test_the_time_grows_linearly_with_the_length_of_a_line(read, separator):
    """Eight times the alternatives take eight times as long; with quadratic time it would be 64 times."""

    def seconds(count: int) -> float:
        text = "S -> " + separator.join(f"'{word}' [{1 / count:.9f}]" for word in range(count))
        gc.collect()
        gc.disable()  # it would look through all that the tests before this one have left
        began = time.process_time()  # of this process alone, however busy the machine is
        try:
            assert len(read(text).rules["S"]) == count
            return time.process_time() - began
        finally:
            gc.enable()

    assert seconds(80_000) < 24 * seconds(10_000)


def test_thirds_may_be_written_as_decimals(read):
    rules = read("S -> 'a' [0.333333] | 'b' [0.333333] | 'c' [0.333333]").rules["S"]
    assert [rule.probability for rule in rules] == [1 / 3] * 3


@given(weights=st.lists(st.integers(0, 20), min_size=12, max_size=12))
def test_refused_as_too_recursive_is_what_has_a_spectral_radius_of_one_or_more(read, weights):
    """Three categories with all rules between them, and a word for each."""
    lefts = "SAB"
    text, made = "", np.zeros((3, 3))
    for row, left in enumerate(lefts):
        counts = [*weights[4 * row : 4 * row + 4], 10]
        # Right sides: one of each category, then twice the next one.
        sides = [*lefts, f"{lefts[row - 2]} 'and' {lefts[row - 2]}", "'a'"]
        text += "".join(
            f"{left} -> {side} [{n / sum(counts):.9f}]\n" for side, n in zip(sides, counts, strict=True) if n
        )
        made[row] += np.array(counts[:3]) / sum(counts)
        made[row, row - 2] += 2 * counts[3] / sum(counts)
    radius = np.abs(np.linalg.eigvals(made)).max()
    assume(abs(radius - 1) > 0.01)
    try:
        read(text)
        refused = ""
    except UserError as error:
        refused = str(error)
    assume("is in no sentence" not in refused)
    assert ("recurs too often" in refused) == (radius > 1)
    assert bool(refused) == (radius > 1)


@pytest.mark.parametrize("content", [b"S -> 'a' [1.0]\n# \xff", "S -> 'é' [1.0]".encode("utf-16")])
def test_what_is_not_utf8_is_refused(grammar_file, content):
    grammar_file.write_bytes(content)
    with pytest.raises(UserError, match=rf"some\.pcfg, line {1 + (content[0] == 83)}: not UTF-8"):
        read_pcfg(grammar_file)


def test_the_mark_that_some_editors_put_first_is_no_part_of_the_grammar(grammar_file):
    grammar_file.write_bytes("\ufeffS -> 'a' [1.0]".encode())
    assert read_pcfg(grammar_file).start == "S"


def test_what_cannot_be_opened_is_told(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(UserError, match=rf"^{path}: cannot be read"):
            read_pcfg(path)
