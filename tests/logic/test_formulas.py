"""Formulas and relations, compared with Python's own and, or, not in all worlds."""

import re

import pytest
from helpers.logic import brute_relation, formulas, truths
from hypothesis import assume, given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.logic.formulas import EVERYWHERE, PADDING, TOKENS, encode, parse, variable
from app.logic.relations import RELATIONS, relation


@given(formulas)
def test_what_is_printed_is_read_as_the_same(formula):
    assert parse(formula.text) == formula
    assert parse(f"  {formula.text.replace(' ', '   ')} ") == formula


@given(formulas)
def test_truth_and_operators(formula):
    assert formula.worlds.bit_count() == sum(truths(formula.text))
    assert formula.operators == len(re.findall("and|or|not", formula.text))


@given(formulas, formulas)
def test_relations_by_brute_force(left, right):
    assume(0 < left.worlds < EVERYWHERE and 0 < right.worlds < EVERYWHERE)
    found = relation(left.worlds, right.worlds)
    assert found == brute_relation(left.text, right.text)
    turned = {"<": ">", ">": "<"}
    assert relation(right.worlds, left.worlds) == turned.get(found, found)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("a", "( not ( not a ) )", "="),
        ("( a ( and b ) )", "a", "<"),
        ("a", "( b ( and a ) )", ">"),
        ("a", "( not a )", "^"),
        ("( a ( and b ) )", "( not a )", "|"),
        ("( a ( or b ) )", "( not a )", "v"),
        ("a", "b", "#"),
    ],
)
def test_an_example_of_each(left, right, expected):
    assert relation(parse(left).worlds, parse(right).worlds) == brute_relation(left, right) == expected
    assert expected in RELATIONS


def test_worlds_of_a_variable_are_half_of_all():
    for name in "abcdef":
        assert variable(name).worlds.bit_count() == 32
    assert (variable("a").worlds & variable("f").worlds).bit_count() == 16


@given(formulas)
def test_tokens_are_numbered(formula):
    numbers = list(encode(formula))
    assert " ".join(TOKENS[number] for number in numbers) == formula.text
    assert max(numbers) < PADDING == len(TOKENS) == 11


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not one formula"),
        ("a b", "not one formula"),
        ("( a ( and b )", "not one formula"),
        ("( a )", "token 3"),
        ("( a and b )", "token 5"),
        ("( ( and b ) a )", "token 7"),
        ("( not a b )", "token 5"),
        ("( not ( and b ) )", "token 7"),
        ("( not )", "token 3"),
        ("a )", "token 2"),
        ("not a", "not one formula"),
        ("( a ( and g ) )", "token 5 .* is 'g'"),
        ("(a (and b))", "token 1 .* is '\\(a'"),
    ],
)
def test_no_formula(text, said):
    with pytest.raises(UserError, match=said) as error:
        parse(text)
    assert "\n" not in str(error.value)


@given(st.lists(st.sampled_from(TOKENS), max_size=12))
def test_whatever_is_read_prints_as_it_was(tokens):
    text = " ".join(tokens)
    try:
        formula = parse(text)
    except UserError:
        return
    assert formula.text == text
