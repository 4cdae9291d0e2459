"""Formulas over six variables: their text in the published format, and the worlds in which they are true.

A world says of each variable whether it is true. There are 64; a set of worlds is an integer of 64 bits, bit w for
world w, and in world w variable v is true where bit v of w is set.
"""

from typing import NamedTuple, TypeAlias

from app.common.errors import UserError

VARIABLES = ("a", "b", "c", "d", "e", "f")
WORLDS = 1 << len(VARIABLES)
EVERYWHERE = (1 << WORLDS) - 1  # all worlds: a tautology's

# Numbered as the authors of ON-LSTM number them; what fills a row up comes after.
TOKENS = ("(", ")", *VARIABLES, "or", "and", "not")
PADDING = len(TOKENS)
_NUMBERS = {token: number for number, token in enumerate(TOKENS)}


class Formula(NamedTuple):
    """A formula.

    Args:
        text: in the published format: `a`, `( not a )`, `( a ( and b ) )`, tokens separated by spaces.
        worlds: those in which it is true.
        operators: how many times it says and, or, not.
    """

    text: str
    worlds: int
    operators: int


_VARIABLES = {
    name: Formula(name, sum(1 << world for world in range(WORLDS) if world >> place & 1), 0)
    for place, name in enumerate(VARIABLES)
}


def variable(name: str) -> Formula:
    """One of `VARIABLES` by itself."""
    return _VARIABLES[name]


def negation(formula: Formula) -> Formula:
    """`( not x )`."""
    return Formula(f"( not {formula.text} )", EVERYWHERE ^ formula.worlds, formula.operators + 1)


def conjunction(left: Formula, right: Formula) -> Formula:
    """`( x ( and y ) )`."""
    return Formula(
        f"( {left.text} ( and {right.text} ) )", left.worlds & right.worlds, left.operators + right.operators + 1
    )


def disjunction(left: Formula, right: Formula) -> Formula:
    """`( x ( or y ) )`."""
    return Formula(
        f"( {left.text} ( or {right.text} ) )", left.worlds | right.worlds, left.operators + right.operators + 1
    )


BINARY = {"and": conjunction, "or": disjunction}


# What stands in brackets: a formula, a word, or the inner brackets of `( x ( and y ) )`.
_Part: TypeAlias = Formula | str | tuple[str, Formula]


def parse(text: str) -> Formula:
    """Read a formula; its `text` is the one given, spaces aside.

    Args:
        text: in the published format.

    Raises:
        UserError: it is none; says where it stops to be one.
    """
    stack: list[list[_Part]] = [[]]  # what has been read within each bracket that is open, in the whole text first
    for place, token in enumerate(text.split(), start=1):
        if token in _VARIABLES:
            stack[-1].append(_VARIABLES[token])
        elif token == "(":
            stack.append([])
        elif token == ")":
            closed = _close(stack.pop()) if len(stack) > 1 else None
            if closed is None:
                raise UserError(f"token {place} of {text!r} closes no formula; {_EXPECTED}")
            stack[-1].append(closed)
        elif token in _NUMBERS:
            stack[-1].append(token)
        else:
            raise UserError(f"token {place} of {text!r} is {token!r}; expected one of {' '.join(TOKENS)}")
    match stack:
        case [[Formula() as formula]]:
            return formula
    raise UserError(f"{text!r} is not one formula; {_EXPECTED}")


_EXPECTED = "expected such as a, ( not a ), ( a ( and b ) ), with a space between tokens"


def _close(parts: list[_Part]) -> _Part | None:
    """What a bracket stands for; None where it makes no sense."""
    match parts:
        case ["not", Formula() as formula]:
            return negation(formula)
        case ["and" | "or" as operator, Formula() as right]:
            return operator, right
        case [Formula() as left, ("and" | "or" as operator, Formula() as right)]:
            return BINARY[operator](left, right)
    return None


def encode(formula: Formula) -> bytes:
    """The numbers of a formula's tokens in `TOKENS`, one byte each."""
    return bytes(map(_NUMBERS.__getitem__, formula.text.split()))
