"""Formulas of all shapes for hypothesis, their truth by Python's own operators, and where the published pairs are."""

import re
from itertools import product

from hypothesis import strategies as st

from app.logic.formulas import VARIABLES, Formula, conjunction, disjunction, negation, variable
from helpers.needs import DATA, needs_data

PUBLISHED = DATA / "logic"
published = needs_data("logic")

formulas: st.SearchStrategy[Formula] = st.recursive(
    st.sampled_from(VARIABLES).map(variable),
    lambda inner: st.one_of(
        inner.map(negation), st.builds(conjunction, inner, inner), st.builds(disjunction, inner, inner)
    ),
    max_leaves=12,
)


def truths(text: str) -> list[bool]:
    """Whether a formula is true, in each of the 64 worlds: its text, read by Python."""
    infix = re.sub(r"\( (and|or) ", r"\1 ( ", text)
    code = compile(infix, "formula", "eval")
    return [eval(code, dict(zip(VARIABLES, world, strict=True))) for world in product([False, True], repeat=6)]


def brute_relation(left: str, right: str) -> str:
    """The definitions, over all worlds."""
    worlds = list(zip(truths(left), truths(right), strict=True))
    implies = all(b for a, b in worlds if a)
    implied = all(a for a, b in worlds if b)
    exclusive = not any(a and b for a, b in worlds)
    exhaustive = all(a or b for a, b in worlds)
    held = {
        "=": implies and implied,
        "<": implies and not implied,
        ">": implied and not implies,
        "^": exclusive and exhaustive,
        "|": exclusive and not exhaustive,
        "v": exhaustive and not exclusive,
    }
    (found,) = [name for name, holds in held.items() if holds] or ["#"]
    return found
